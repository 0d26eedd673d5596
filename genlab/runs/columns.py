"""Rows of text under each other, each column as wide as its widest cell."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["aligned"]


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
