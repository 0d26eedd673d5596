"""Columns of a table in double precision, whatever their file calls a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from genlab.errors import UserError, nearest

__all__ = ["Columns", "columns_of", "level_text", "marked", "numbered"]

# What a level of a category may be; all else is told by its text.
PLAIN = bool | int | float | str


@dataclass(frozen=True)
class Columns:
    """Columns of a table.

    Attributes:
        values: Their numbers, NaN where a cell is empty or holds text.
        text: For each column with cells that are no numbers, the first such cell; none of `levels`.
        levels: For each column that was read by its different values, these, in order: its numbers
            count them.
    """

    values: Float[np.ndarray, "n c"]
    text: dict[str, str]
    levels: dict[str, list[Any]] = field(default_factory=dict)

    def finite(self, where: str) -> Float[np.ndarray, "n c"]:
        """The numbers, all of them.

        Raises:
            UserError: There are no rows, or a cell is none of a finite number.
        """
        if not len(self.values):
            raise UserError(f"{where}: holds no rows")
        for name, cell in self.text.items():
            raise UserError(f"{where}: column {name!r} holds text ({cell!r})")
        bad = np.argwhere(~np.isfinite(self.values))
        if len(bad):
            row, column = bad[0] + 1
            raise UserError(f"{where}: row {row}, column {column} is not a finite number")
        return self.values

    def levelled(
        self, where: str, names: Sequence[str], known: Mapping[str, Sequence[Any]]
    ) -> Float[np.ndarray, "n c"]:
        """The numbers, those of categories as these are known: the places of their values there.

        Args:
            where: The file, as the user named it.
            names: What the columns are called.
            known: The values of each category, in order.

        Raises:
            UserError: A category has a value that is not known.
        """
        values = self.values.copy()
        for place, name in enumerate(names):
            if name not in known:
                continue
            numbers = {level_text(level): number for number, level in enumerate(known[name])}
            codes = np.array([numbers.get(level_text(one), -1) for one in self.levels[name]], float)
            found = values[:, place]
            present = ~np.isnan(found)
            found[present] = codes[found[present].astype(np.int64)]
            if (found == -1).any():
                row = int((found == -1).argmax())
                level = self.levels[name][int(self.values[row, place])]
                raise UserError(
                    f"{where}: column {name!r}, row {row + 1}: got {level!r}; "
                    f"{nearest(str(level), map(str, known[name]))}"
                )
        return values


def columns_of(frame: Any, names: Sequence[str], by_level: Sequence[str] | None = ()) -> Columns:
    """The columns of a frame of pandas; times and durations are text, for they have no one unit.

    Args:
        frame: The frame.
        names: Names of its columns.
        by_level: Those that are read by their different values, whatever these are; None for those
            that hold text.
    """
    import pandas as pd

    values = np.empty((len(frame), len(names)))
    text: dict[str, str] = {}
    levels: dict[str, list[Any]] = {}
    for place, name in enumerate(names):
        column = frame.iloc[:, place]
        if by_level is not None and name in by_level:
            values[:, place], levels[name] = numbered(column)
            continue
        if pd.api.types.is_numeric_dtype(column):
            values[:, place] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        timed = getattr(column.dtype, "kind", "O") in "mM"
        numbers = pd.to_numeric(column.astype(str) if timed else column, errors="coerce")
        values[:, place] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        strange = column[numbers.isna() & column.notna()]
        if len(strange) and by_level is None:
            values[:, place], levels[name] = numbered(column)
        elif len(strange):
            text[name] = str(strange.iloc[0])
    return Columns(values, text, levels)


def numbered(column: Any) -> tuple[Float[np.ndarray, " n"], list[Any]]:
    """The place of each cell among the different ones, in their order; NaN where it is empty.

    >>> numbered(np.array([2.0, 7.0, 2.0]))
    (array([0., 1., 0.]), [2, 7])
    """
    import pandas as pd

    codes, found = pd.factorize(column)
    levels = [one.item() if isinstance(one, np.generic) else one for one in found]
    if all(isinstance(one, float) and one.is_integer() for one in levels):
        levels = [int(one) for one in levels]  # as an empty cell among integers makes them floats
    if len({*map(type, levels)}) > 1 or not isinstance(levels[0] if levels else "", PLAIN):
        levels = [str(one) for one in levels]
    order = sorted(range(len(levels)), key=levels.__getitem__)
    # The last one is for -1, which stands for an empty cell.
    place = np.full(len(levels) + 1, np.nan)
    place[order] = np.arange(len(levels))
    return place[codes], [levels[one] for one in order]


def level_text(level: Any) -> str:
    """The value of a category, by which it is known again: 1.0, 1 and true are one, as a column of
    some rows only may have another type.
    """
    whole = isinstance(level, bool | float) and float(level).is_integer()
    return str(int(level)) if whole else str(level)


def marked(frame: Any, mark: str) -> list[str]:
    """Cells with a mark, in the columns of a frame that would be numbers with it as decimal one."""
    import pandas as pd

    found: list[str] = []
    for _, column in frame.select_dtypes(["object", "string"]).items():
        cells = column.dropna().astype(str)
        with_mark = cells[cells.str.contains(mark, regex=False)]
        if not with_mark.empty:
            numbers = pd.to_numeric(cells.str.replace(mark, "."), errors="coerce")
            found += list(with_mark) if numbers.notna().all() else []
    return found
