"""Numbers and rows as a reader sees them: digits that mean something, columns under each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["aligned", "rounded", "with_error"]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, two spaces between the columns.

    >>> aligned([("run", "state"), ("a/first", "done")])
    ['run      state', 'a/first  done']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def rounded(value: float | None, error: float | None = None) -> tuple[str, str]:
    """A value to the digits that its standard error leaves, which is given to two.

    Args:
        value: The value; None where it is not a finite number.
        error: Its standard error or deviation; without, whole numbers and large ones are given as
            such, others to four digits.

    Returns:
        The value and the error as text; the error is empty where there is none.

    >>> rounded(0.0068123, 0.00035)
    ('0.00681', '0.00035')
    >>> rounded(155.637)
    ('155.6', '')
    """
    if value is None:
        return "-", ""
    if error is None or not math.isfinite(error) or error <= 0:
        whole = float(value).is_integer() or 1e4 <= abs(value) < 1e15
        return f"{value:.0f}" if whole else f"{value:.4g}", ""
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:z.{digits}f}", f"{error:.{digits}f}"


def with_error(value: float | None, error: float | None = None) -> str:
    """Both as `rounded` gives them, in one text.

    >>> with_error(0.0068123, 0.00035), with_error(None)
    ('0.00681 +- 0.00035', '-')
    """
    text, spread = rounded(value, error)
    return f"{text} +- {spread}" if spread else text
