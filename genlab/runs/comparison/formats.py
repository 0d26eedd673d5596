"""A table as text: for a person, for a spreadsheet, for Markdown and for LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from genlab.runs.comparison.cells import UNITS, UNRELIABLE, Cell
from genlab.runs.comparison.tables import Table
from genlab.runs.text import aligned

__all__ = ["as_csv", "as_latex", "as_markdown", "as_text", "is_best", "shown"]

SPECIAL = re.compile(r"[\\&%$#_{}~^]")
ESCAPED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
MATHS = {"<= ": r"\leq ", "~ ": r"\sim ", "": ""}
PLAIN = {"<= ": "≤ ", "~ ": "~ ", "": ""}


def as_text(table: Table) -> str:
    """Aligned columns, the best marked by a star."""
    rows = [[f"{shown(item)}{'*' if is_best(item) else ''}" for item in row] for row in table.rows]
    return "".join(f"{line}\n" for line in aligned([table.header, *rows]))


def as_csv(table: Table) -> str:
    """Full precision.

    Behind each metric of several runs a column ``NAME/sd``, and where there is something to know
    of some of its numbers one that says of which, as ``NAME/unreliable``.
    """
    columns = [list(column) for column in zip(*table.rows, strict=True)]
    written: list[tuple[str, list[object]]] = []
    for name, items in zip(table.header, columns, strict=False):
        written.append((name, [item.mean if isinstance(item, Cell) else item for item in items]))
        cells = [item if isinstance(item, Cell) else None for item in items]
        if any(cell and cell.deviation is not None for cell in cells):
            written.append((f"{name}/sd", [cell and cell.deviation for cell in cells]))
        for remark in (UNITS, UNRELIABLE):
            if any(cell and remark in cell.remarks for cell in cells):
                told = [cell and remark in cell.remarks for cell in cells]
                written.append((f"{name}/{remark}", list(told)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(name for name, _ in written)
    writer.writerows(zip(*(items for _, items in written), strict=True))
    return text.getvalue()


def as_markdown(table: Table) -> str:
    """A table of GitHub's Markdown, the best in bold."""

    def line(items: Sequence[str]) -> str:
        return f"| {' | '.join(item.replace('|', chr(92) + '|') for item in items)} |\n"

    rules = ["---" if place < table.keys else "---:" for place in range(len(table.header))]
    rows = ([f"**{shown(i)}**" if is_best(i) else shown(i) for i in row] for row in table.rows)
    return line(table.header) + f"|{'|'.join(rules)}|\n" + "".join(map(line, rows))


def as_latex(table: Table) -> str:
    """A ``tabular`` with the rules of booktabs, the best in bold."""
    columns = "l" * table.keys + "r" * (len(table.header) - table.keys)
    head = " & ".join(map(_escaped, table.header))
    rows = "".join(f"  {' & '.join(map(_maths, row))} \\\\\n" for row in table.rows)
    return (
        f"\\begin{{tabular}}{{{columns}}}\n  \\toprule\n  {head} \\\\\n  \\midrule\n"
        f"{rows}  \\bottomrule\n\\end{{tabular}}\n"
    )


def shown(item: str | Cell | None) -> str:
    """An item of a table as text."""
    if isinstance(item, Cell):
        return PLAIN[item.sign] + item.text.removeprefix(item.sign)
    return item or ""


def is_best(item: str | Cell | None) -> bool:
    """Whether an item of a table is to be marked."""
    return isinstance(item, Cell) and item.best


def _escaped(text: str) -> str:
    return SPECIAL.sub(lambda found: ESCAPED.get(found[0], f"\\{found[0]}"), text)


def _maths(item: str | Cell | None) -> str:
    if not isinstance(item, Cell):
        return _escaped(item or "")
    if item.mean is None:
        return "--"
    number = item.number.removeprefix(item.sign).replace("±", r"\pm")
    number = re.sub(r"e([+-])0*(\d+)", r" \\cdot 10^{\1\2}", number).replace("{+", "{")
    inner = MATHS[item.sign] + number
    maths = f"$\\mathbf{{{inner}}}$" if item.best else f"${inner}$"
    return " ".join((maths, *item.remarks))
