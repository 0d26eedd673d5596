"""How a text file lays out its table: separator, names, index, and what is no part of it."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from genlab.data.csv_cells import INTEGER, THOUSANDS, Line, Record, counts, is_number, records
from genlab.data.csv_header import holds_names
from genlab.errors import UserError, first_few

__all__ = ["COMMENTS", "Layout", "Sample", "find_layout"]

# Starts of lines without a row; Excel begins a file with its separator.
COMMENTS = ("#", "%", "sep=")
# A decimal comma looks like a separator, rarely the other way round: ties go to the earlier.
SEPARATORS = (";", "\t", "|", ",", " ")
UNNAMED = re.compile(r"unnamed\d+|Unnamed: \d+")
ROW_NAMES = "row.names"


class Sample(NamedTuple):
    """The start of a file: the comments above the first row, and the lines from there on."""

    path: Path
    comments: Sequence[Line]
    lines: Sequence[Line]
    whole: bool


@dataclass(frozen=True)
class Layout:
    """How a table is laid out.

    Attributes:
        path: Of the file.
        separator: Between two cells; a blank stands for any number of blanks and tabs.
        names: Of the columns; None where the file gives none.
        named_at: The lines that these begin and end at, from 1.
        width: The number of columns.
        cells: The number of cells of a row: those of the columns, and empty ones behind them.
        above: The number of lines above the first row.
        index: The columns that only number or name the rows.
        remarks: What was decided that a user may want to decide otherwise.
    """

    path: Path
    separator: str
    names: tuple[str, ...] | None
    named_at: tuple[int, int]
    width: int
    cells: int
    above: int
    index: tuple[str, ...]
    remarks: tuple[str, ...]

    def check_commas(self, cells: Sequence[str]) -> None:
        """Refuse commas in numbers, of which none is a decimal one for certain.

        Raises:
            UserError: So it is.
        """
        if all(map(THOUSANDS.fullmatch, cells)):
            told = f"the comma in {cells[0]} may part decimals or thousands"
            raise UserError(f"{told}; {self._without(',')}")

    def refuse_point(self, cell: str) -> None:
        """Refuse a point in a number where others have decimal commas.

        Raises:
            UserError: Always.
        """
        told = f"{cell} has a point, but other numbers have decimal commas"
        raise UserError(f"{told}; {self._without('.')}")

    def _without(self, mark: str) -> str:
        """Advice where a mark may part decimals or thousands."""
        if self.separator == ",":
            return "write numbers with a decimal point, and without one for thousands"
        file = shlex.quote(str(self.path))
        return (
            "the first of these makes points of commas, the second leaves the marks out:\n"
            f"sed 's/,/./g' {file} > points.csv\nsed 's/{re.escape(mark)}//g' {file} > points.csv"
        )

    def check_width(self, row: Record) -> None:
        """Refuse a row that has more cells than there are columns, or fewer.

        Raises:
            UserError: It has.
        """
        n = len(row.cells)
        if self.width <= n <= self.cells and not any(row.cells[self.width :]):
            return
        if self.names is None:
            raise UserError(f"line {row.end} has {n} cells, but others have {self.width}")
        known = len(self.names) - self.names.count(ROW_NAMES)
        begin, end = self.named_at
        advice = []
        if n == known + 1 == self.cells:
            mark = {"\t": r"\t"}.get(self.separator, self.separator)
            advice.append(
                "if the first cells name the rows, as R writes them, this makes an index of them:\n"
                f"""sed '{begin}s/^/""{mark}/' {shlex.quote(str(self.path))} > indexed.csv"""
            )
        if n == 2 * known == self.cells and self.separator == ",":
            advice.append(_points(self.path, end + 1))
        told = f"line {row.end} has {n} cells, but line {end} has {known} names"
        raise UserError("; ".join([told, *advice]))


def find_layout(
    sample: Sample, *, header: bool | None, expected: Iterable[str], settable: bool
) -> Layout:
    """Tell the layout from the start of a file.

    Args:
        sample: The start of the file.
        header: Whether the first line holds names; None for what it shows.
        expected: Names that columns of the table are known by, if any.
        settable: Whether the user has a setting for the header.

    Raises:
        UserError: The layout is uncertain, or rows differ in width.
    """
    separator, rows = _split(sample)
    names = _commented_names(sample, separator, rows) if header is None else None
    remarks = []
    if names is None:
        found = header if header is not None else holds_names(rows[0], rows[1:], expected)
        if found is None:
            raise UserError(_uncertain(rows[0], settable))
        if found:
            names, *rows = rows
            if header is None and any(map(is_number, names.cells)):
                remarks.append(
                    f"line {names.end} ({_shown(names)}) is read as names of the columns; "
                    "`header=False` reads it as a row"
                )
    if not rows:
        raise UserError("holds no rows")
    if names is None and separator == ",":
        _refuse_halves(sample.path, rows)

    cells = Counter(len(row.cells) for row in rows).most_common(1)[0][0]
    named = 0 if names is None else _end(names.cells)
    width = min(cells, max(1, named, *(_end(row.cells) for row in rows)))
    titles = None
    if names is not None:
        titles = tuple(
            " ".join(cell.split()) or f"unnamed{place}"
            for place, cell in enumerate(names.cells[: max(named, width)])
        )
        if len(titles) == width - 1 and _name_themselves(rows):
            titles = (ROW_NAMES, *titles)
            remarks.append(
                f"rows have {width} cells, and line {names.end} has {width - 1} names, as R writes "
                "them: the first cells name the rows"
            )
        width = len(titles)
        _refuse_second_names(rows)
    layout = Layout(
        path=sample.path,
        separator=separator,
        names=titles,
        named_at=(0, 0) if names is None else (names.begin, names.end),
        width=width,
        cells=cells,
        above=rows[0].begin - 1,
        index=() if titles is None else _index(titles),
        remarks=tuple(remarks),
    )
    for row in rows:
        layout.check_width(row)
    return layout


def _split(sample: Sample) -> tuple[str, list[Record]]:
    """The separator that makes rows of one width, and numbers, and these rows."""
    best: tuple[tuple[float, ...], str, list[Record]] | None = None
    for separator in SEPARATORS:
        rows = list(records(sample.lines, separator))
        if not sample.whole:
            rows.pop()  # its end may lie below
        width, count = Counter(len(row.cells) for row in rows).most_common(1)[0]
        known = [cell for row in rows for cell in row.known]
        # A comma in the only column rather separates than marks decimals.
        numbers = sum(is_number(one) and (width > 1 or "," not in one) for one in known)
        share = numbers / max(1, len(known))
        even = count / len(rows)
        rank = (even == 1 and width > 1, share, even, width)
        if best is None or rank > best[0]:
            best = rank, separator, rows
    assert best is not None
    return best[1:]


def _commented_names(sample: Sample, separator: str, rows: Sequence[Record]) -> Record | None:
    """The last comment above rows, where it has a word for each column."""
    first = rows[0]
    if not sample.comments or not _is_row(first, rows[1:]):
        return None
    number, line = sample.comments[-1]
    (names,) = records([(number, line.lstrip("#% "))], separator)
    fits = _end(names.cells) == _end(first.cells) and not any(map(is_number, names.cells))
    return names if fits and line.startswith(("#", "%")) else None


def _is_row(first: Record, body: Sequence[Record]) -> bool:
    """Whether a line holds numbers, and words only where all rows below it do."""
    words = [place for place, cell in enumerate(first.cells) if cell in first.known]
    words = [place for place in words if not is_number(first.cells[place])]
    columns = list(zip(*(row.cells for row in body), strict=False))
    return not words or (
        len(words) < len(first.known)
        and words[-1] < len(columns)
        and not any(any(map(is_number, columns[place])) for place in words)
    )


def _refuse_halves(path: Path, rows: Sequence[Record]) -> None:
    """Refuse whole numbers that look like the two sides of decimal commas."""
    before = [cell for row in rows for cell in row.cells[::2]]
    after = [cell for row in rows for cell in row.cells[1::2]]
    odd = [cell for cell in (*before, *after) if cell == "-0" or re.fullmatch(r"0\d+", cell)]
    if (
        odd
        and len(before) == len(after)
        and all(map(INTEGER.fullmatch, before))
        and all(cell.isdecimal() for cell in after)
    ):
        raise UserError(
            f"line {rows[0].end} and below hold {odd[0]}, but no names; write a line of these "
            f"above, or {_points(path, 1)}"
        )


def _points(path: Path, line: int) -> str:
    return (
        "if every other comma is a decimal mark, this writes points:\n"
        rf"sed -E '{line},$s/,([0-9]+)(,|\r?$)/.\1\2/g' {shlex.quote(str(path))} > points.csv"
    )


def _uncertain(first: Record, settable: bool) -> str:
    way = (
        "`header=True` reads it as names, `header=False` as a row"
        if settable
        else "write a line of names above it if it is a row, or take it out"
    )
    return f"line {first.end} ({_shown(first)}) may be names or a row; {way}"


def _shown(row: Record) -> str:
    return first_few(row.cells)


def _end(cells: Sequence[str]) -> int:
    """The number of cells before the empty ones at the end."""
    return max((place + 1 for place, cell in enumerate(cells) if cell), default=0)


def _name_themselves(rows: Sequence[Record]) -> bool:
    """Whether rows begin with names for certain: these count, or differ in words."""
    first = [row.cells[0] for row in rows]
    if counts(first):
        # A count and another whole number may be the two sides of decimal commas.
        return not all(INTEGER.fullmatch(cell) for row in rows for cell in row.cells)
    return len(set(first)) == len(first) and not any(map(is_number, first))


def _index(titles: Sequence[str]) -> tuple[str, ...]:
    """The first columns, where they are without a name: pandas and R write an index so."""
    first = tuple(takewhile(lambda one: UNNAMED.fullmatch(one) or one == ROW_NAMES, titles))
    return first if len(first) < len(titles) else ()


def _refuse_second_names(rows: Sequence[Record]) -> None:
    first, *others = rows
    columns = zip(*(row.cells for row in others), strict=False)
    words = bool(first.known) and not any(map(is_number, first.cells))
    if words and others and all(any(map(is_number, column)) for column in columns):
        raise UserError(
            f"line {first.end} holds words below the names ({_shown(first)}); take it out, or "
            "begin it with #"
        )
