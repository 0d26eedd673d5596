"""Scalars as a table that any program reads."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, Unpack

from genlab.bounds import PositiveInt
from genlab.learning.loggers.run_logger import RunLogger, Told
from genlab.runs.files import atomic_path

__all__ = ["CSV"]

STEP = "step"


class CSV(RunLogger):
    """Writes ``scalars.csv`` into the run's folder: a row a step, a column a tag.

    The file is written anew, whole, every few rows and at the end; what was not logged at a step
    is empty. The run's settings and figures are beside it already, in ``run.json`` and ``figures``.

    Args:
        every: Rows between two writes.
        **told: As `RunLogger` takes it.
    """

    def __init__(self, *, every: PositiveInt = 50, **told: Unpack[Told]) -> None:
        super().__init__(**told)
        self.every = every
        self.rows: dict[int, dict[str, float | str]] = {}

    def _begin(self) -> None:
        if self.purge_step is not None and self.run.scalars.exists():
            with self.run.scalars.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    step = int(row.pop(STEP))
                    if step < self.purge_step:
                        self.rows[step] = {tag: value for tag, value in row.items() if value}
        self._unwritten = 0

    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self._unwritten += step not in self.rows
        self.rows.setdefault(step, {}).update(scalars)
        if self._unwritten >= self.every:
            self.write()

    def _write_figure(self, tag: str, pixels: Any, step: int) -> None:
        """Nothing: those of the end are in the run's folder."""

    def _end(self, state: str) -> None:
        self.write()

    def write(self) -> None:
        """Write the table."""
        tags = dict.fromkeys(tag for row in self.rows.values() for tag in row)
        with (
            atomic_path(self.run.scalars) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, [STEP, *tags])
            table.writeheader()
            table.writerows({STEP: step, **row} for step, row in sorted(self.rows.items()))
        self._unwritten = 0
