"""A table as text: for a person, for a spreadsheet, for Markdown and for LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from genlab.runs.comparison.cells import Cell
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
    """Full precision; a column ``NAME/sd`` behind each metric of several runs."""
    spread = [
        any(_deviation(item) is not None for item in column)
        for column in zip(*table.rows, strict=True)
    ]

    def header() -> Iterator[str]:
        for name, has_spread in zip(table.header, spread, strict=True):
            yield name
            if has_spread:
                yield f"{name}/sd"

    def numbers(row: Sequence[str | Cell | None]) -> Iterator[object]:
        for item, has_spread in zip(row, spread, strict=True):
            yield item.mean if isinstance(item, Cell) else item
            if has_spread:
                yield _deviation(item)

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header())
    writer.writerows(numbers(row) for row in table.rows)
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


def _deviation(item: str | Cell | None) -> float | None:
    return item.deviation if isinstance(item, Cell) else None


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
    number = item.text.removeprefix(item.sign).replace("±", r"\pm")
    number = re.sub(r"e([+-])0*(\d+)", r" \\cdot 10^{\1\2}", number).replace("{+", "{")
    inner = MATHS[item.sign] + number
    return f"$\\mathbf{{{inner}}}$" if item.best else f"${inner}$"
