"""Runs in trackio's database on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any, Unpack

from genlab.learning.loggers.run_logger import RunLogger, Told

__all__ = ["Trackio"]


class Trackio(RunLogger):
    """A run of trackio: settings as its config, scalars, and figures as images.

    It is kept where trackio keeps all, by the variable ``TRACKIO_DIR``; ``trackio show`` shows it.

    Args:
        project: The project that the run is put into.
        **told: As `RunLogger` takes it.
    """

    requires = "trackio"

    def __init__(self, *, project: str = "genlab", **told: Unpack[Told]) -> None:
        super().__init__(**told)
        self.project = project

    def _begin(self) -> None:
        import trackio

        self._image = trackio.Image
        # It speaks on standard output, where the report of a run stands.
        with redirect_stdout(sys.stderr):
            self._run = trackio.init(
                self.project,
                # A name is all that tells its runs apart.
                f"{self.title}-{self.identity[:6]}",
                config=dict(self.settings),
                resume="allow",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )
        # Else it would end this run when the next one begins, as replicas do together.
        trackio.context_vars.current_run.set(None)

    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self._run.log(dict(scalars), step=step)

    def _write_figure(self, tag: str, pixels: Any, step: int) -> None:
        self._run.log({tag: self._image(pixels)}, step=step)

    def _end(self, state: str) -> None:
        with redirect_stdout(sys.stderr):
            self._run.finish()
