"""Whether the first line of a table is a row, or names the columns below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from genlab.data.csv_cells import INTEGER, MISSING, Record, counts, is_number

__all__ = ["holds_names"]

PLAIN = re.compile(r"0|[1-9]\d*", re.A)
# A whole number that its writer gave a decimal point.
POINTED = re.compile(r"[+-]?\d+[.,]0*", re.A)
# Rows, or decimals of one of them, that show how a column is written.
ROWS, DECIMALS = 10, 4


def holds_names(first: Record, body: Sequence[Record], expected: Iterable[str]) -> bool | None:
    """Whether a line holds names; None where it may or may not.

    Words are names. Numbers are names where no row can look so: whole numbers that differ, above
    columns of which none ever holds a number without a decimal point, as pandas writes an array
    without names. Where that is likely but not certain, for the columns are few or the line could
    be a row among the others, only the user can tell; so where the line is in equal steps and the
    next is not, and where it holds words and numbers.

    Args:
        first: The line.
        body: Rows below it.
        expected: Names that columns of the table are known by, if any.
    """
    if expected and set(expected) <= set(first.cells):
        return True
    numbers = [is_number(cell) for cell in first.known]
    if not any(numbers) or not body:
        return bool(numbers) and not any(numbers)
    if not all(numbers):
        return None
    cells, columns = first.cells, list(zip(*(row.cells for row in body), strict=False))
    if len(columns) != len(cells):
        return False
    plain = all(map(PLAIN.fullmatch, cells[1:])) and len(set(cells)) == len(cells)
    if not cells[0] and len(cells) > 1 and plain:  # names of all columns but the index
        return True if counts(columns[0]) or not any(map(is_number, columns[0])) else None
    plain = plain and bool(PLAIN.fullmatch(cells[0]))
    counting = cells == [str(place) for place in range(len(cells))]
    pointed = [place for place, column in enumerate(columns) if _is_pointed(column)]
    if plain and pointed:
        enough = len(pointed) >= (2 if counting else 3)
        shown = len(body) >= ROWS or all(map(_is_shown, (columns[place] for place in pointed)))
        path = any(_is_steady((cells[place], *columns[place])) for place in pointed)
        among = all(map(_is_among, cells, columns)) and not counts(cells)
        if shown or counting:
            return True if enough and shown and not path and not among else None
    if counting and len(cells) > 1:
        return None
    return None if _equal_steps(cells) and not _equal_steps(body[0].cells) else False


def _is_pointed(column: Iterable[str]) -> bool:
    """Whether each number has a decimal mark or an exponent."""
    known = [cell for cell in column if cell not in MISSING]
    return bool(known) and all(is_number(one) and not INTEGER.fullmatch(one) for one in known)


def _is_shown(column: Sequence[str]) -> bool:
    """Whether the writer of a column shows decimals also where there are none, or many of them."""
    return any(
        POINTED.fullmatch(cell) or len(re.sub(r".*[.,]|e.*", "", cell, flags=re.I)) >= DECIMALS
        for cell in column
    )


def _numbers(cells: Iterable[str]) -> list[float]:
    return [float(cell.replace(",", ".")) for cell in cells if is_number(cell)]


def _is_steady(column: Sequence[str]) -> bool:
    """Whether numbers only grow, or only fall, as times do, from the first line on."""
    numbers = _numbers(column)
    return sorted(set(numbers)) in (numbers, numbers[::-1])


def _is_among(cell: str, column: Iterable[str]) -> bool:
    """Whether a number lies no farther from those of a column than they lie apart."""
    numbers = _numbers(column)
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    return 2 * low - high <= float(cell) <= 2 * high - low


def _equal_steps(cells: Sequence[str]) -> bool:
    """Whether at least three numbers grow by the same step, as wavelengths and years do."""
    numbers = _numbers(cells)
    steps = [after - before for before, after in pairwise(numbers)]
    return (
        len(numbers) == len(cells) >= 3
        and min(steps) > 0
        and max(steps) - min(steps) <= 1e-6 * max(steps)
    )
