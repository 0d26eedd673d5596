"""Scalars as a table that any program reads."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, Unpack

from genlab.learning.loggers.run_logger import RunLogger, Told
from genlab.runs.files import atomic_path

__all__ = ["CSV"]

STEP = "step"
VALIDATION = "val/"


class CSV(RunLogger):
    """Writes ``scalars.csv`` into the run's folder: a row a step, a column a tag.

    What was not logged at a step is empty. The file is written anew, whole, with each validation,
    so that it holds all that a checkpoint goes on from, and at the end. The run's settings and
    figures are beside it already, in ``run.json`` and ``figures``.

    Args:
        **told: As `RunLogger` takes it.
    """

    def __init__(self, **told: Unpack[Told]) -> None:
        super().__init__(**told)
        self.rows: dict[int, dict[str, float | str]] = {}

    def _begin(self) -> None:
        if self.purge_step is None or not self.run.scalars.exists():
            return
        with self.run.scalars.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = int(row.pop(STEP))
                if step < self.purge_step:
                    self.rows[step] = {tag: value for tag, value in row.items() if value}

    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self.rows.setdefault(step, {}).update(scalars)
        if any(tag.startswith(VALIDATION) for tag in scalars):
            self._write()

    def _write_figure(self, tag: str, pixels: Any, step: int) -> None:
        """Nothing: those of the end are in the run's folder."""

    def _end(self, state: str) -> None:
        self._write()

    def _write(self) -> None:
        tags = dict.fromkeys(tag for row in self.rows.values() for tag in row)
        with (
            atomic_path(self.run.scalars) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, [STEP, *tags])
            table.writeheader()
            table.writerows({STEP: step, **row} for step, row in sorted(self.rows.items()))
