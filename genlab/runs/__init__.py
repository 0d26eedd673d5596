"""The run directory: its layout, atomic writes, and reading runs back. Imports no torch.

Called, as ``genlab.runs()``, it is the table of all runs: see `genlab.runs.comparison.plain`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

__all__: list[str] = []


class _Runs(ModuleType):
    """A room by whose name its runs are called: a function of that name would hide the room."""

    def __call__(self, path: str | Path = "outputs", where: str | Sequence[str] = ()) -> DataFrame:
        """The runs at or below a folder as a DataFrame, a row each.

        >>> import genlab
        >>> genlab.runs("outputs").empty  # doctest: +SKIP
        True

        Args:
            path: Where to look.
            where: Conditions as behind ``--where``: ``"model=nsf,realnvp"``, or several.

        Raises:
            UserError: There is no such folder, or a condition names what no run has.
        """
        from genlab.runs.comparison.plain import frame_of

        return frame_of(path, where)


sys.modules[__name__].__class__ = _Runs
