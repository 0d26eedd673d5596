"""Columns of a table in double precision, whatever their file calls a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from genlab.errors import UserError

__all__ = ["Columns", "columns_of", "marked"]


@dataclass(frozen=True)
class Columns:
    """Columns of a table.

    Attributes:
        values: Their numbers, NaN where a cell is empty or holds text.
        text: For each column with cells that are no numbers, the first such cell.
    """

    values: Float[np.ndarray, "n c"]
    text: dict[str, str]

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


def columns_of(frame: Any, names: Sequence[str]) -> Columns:
    """The columns of a frame of pandas; times and durations are text, for they have no one unit."""
    import pandas as pd

    values = np.empty((len(frame), len(names)))
    text: dict[str, str] = {}
    for place, name in enumerate(names):
        column = frame.iloc[:, place]
        if pd.api.types.is_numeric_dtype(column):
            values[:, place] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        timed = getattr(column.dtype, "kind", "O") in "mM"
        numbers = pd.to_numeric(column.astype(str) if timed else column, errors="coerce")
        values[:, place] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        strange = column[numbers.isna() & column.notna()]
        if len(strange):
            text[name] = str(strange.iloc[0])
    return Columns(values, text)


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
