"""The cells of a text file: what is a number, what is missing, and which rows they stand in."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["INTEGER", "MISSING", "THOUSANDS", "Line", "Record", "counts", "is_number", "records"]

MISSING = {"", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN"}
MISSING |= {"NULL", "null", "None", "none"}
MISSING |= {"1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}  # of C on Windows
MISSING |= {"-", "--", ".", "?"}
MISSING |= {
    "#N/A",
    "#N/A N/A",
    "#NA",
    "#NULL!",
    "#NUM!",
    "#VALUE!",
    "#DIV/0!",
    "#REF!",
}  # of spreadsheets
NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)", re.I | re.A)
INTEGER = re.compile(r"[+-]?\d+", re.A)
COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.I | re.A)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.A)

Line = tuple[int, str]


class Record(NamedTuple):
    """A row of cells, and the lines of the file that it begins and ends at, from 1."""

    begin: int
    end: int
    cells: list[str]

    @property
    def known(self) -> list[str]:
        """The cells that are not missing."""
        return [cell for cell in self.cells if cell not in MISSING]


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point or a decimal comma.

    >>> [is_number(cell) for cell in ("-1.5e3", "0,5", "1_000", "0x1F", "1,5,2")]
    [True, True, False, False, False]
    """
    return bool(NUMBER.fullmatch(cell) or COMMA.fullmatch(cell))


def counts(cells: Sequence[str]) -> bool:
    """Whether cells count up from 0 or from 1.

    >>> counts(["1", "2", "3"]), counts(["1", "3"])
    (True, False)
    """
    return cells[0] in ("0", "1") and all(
        cell == str(number) for number, cell in enumerate(cells, int(cells[0]))
    )


def records(lines: Iterable[Line], separator: str) -> Iterator[Record]:
    """Rows of cells, without blanks around them.

    A quoted cell may go on over several lines. A blank as the separator stands for any number of
    blanks and tabs.
    """
    numbers: list[int] = []

    def fed() -> Iterator[str]:
        for number, line in lines:
            numbers.append(number)
            yield line.replace("\t", " ").strip() + "\n" if separator == " " else line

    for cells in csv.reader(fed(), delimiter=separator, skipinitialspace=True):
        yield Record(numbers[0], numbers[-1], [cell.strip() for cell in cells])
        numbers.clear()
