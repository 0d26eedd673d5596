"""What a logger of a run is told, and when it begins and ends."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np
from jaxtyping import UInt8
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger

from genlab.errors import Interrupted
from genlab.runs.directory import RunDirectory
from genlab.runs.manifest import read_manifest

__all__ = ["RunLogger", "Told", "ending"]


class Told(TypedDict):
    """What the run itself tells a logger."""

    save_dir: str
    title: str
    settings: Mapping[str, Any]
    purge_step: int | None


class RunLogger(Logger):
    """A logger that shows one run, in the first of several processes alone.

    It begins with the first value, when the run has a record, and outlives the training: the test
    and its figures come after it. `ending` ends it.

    Args:
        save_dir: The run's folder.
        title: What people call the run.
        settings: Its flat configuration.
        purge_step: The first step that is logged again; None where a run begins.

    Attributes:
        requires: The package that it needs; None where that is always there.
    """

    requires: ClassVar[str | None] = None

    def __init__(
        self,
        *,
        save_dir: str,
        title: str,
        settings: Mapping[str, Any],
        purge_step: int | None,
    ) -> None:
        super().__init__()
        self.run = RunDirectory(Path(save_dir))
        self.title, self.settings, self.purge_step = title, settings, purge_step
        self._begun = False

    @property
    def name(self) -> str:
        return type(self).__name__.lower()

    @property
    def version(self) -> str:
        return self.title

    @property
    def save_dir(self) -> str:
        return str(self.run.path)

    @property
    def identity(self) -> str:
        """Sixteen hexadecimal digits that are this run's own, wherever its folder is moved to."""
        manifest = read_manifest(self.run)
        text = f"{manifest['created']} {self.run.path.name}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: the settings are told at the start."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._start()
        self._write_scalars(metrics, step or 0)

    @rank_zero_only
    def log_figure(self, tag: str, pixels: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        """Log a figure by its tag, as RGB rows from the top."""
        self._start()
        self._write_figure(tag, pixels, step)

    @rank_zero_only
    def end(self, state: str) -> None:
        """End what has begun.

        Args:
            state: How the run ended: done, failed or interrupted.
        """
        if self._begun:
            self._end(state)
            self._begun = False

    def _start(self) -> None:
        if not self._begun:
            self._begun = True
            self._begin()

    @abstractmethod
    def _begin(self) -> None:
        """Begin, or go on with, the run's own page, and write the settings."""

    @abstractmethod
    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None: ...

    @abstractmethod
    def _write_figure(
        self, tag: str, pixels: UInt8[np.ndarray, "height width 3"], step: int
    ) -> None: ...

    @abstractmethod
    def _end(self, state: str) -> None: ...


@contextmanager
def ending(loggers: Iterable[Logger]) -> Iterator[None]:
    """End the loggers of a run with the block, as the block ends, all of them whatever one says."""
    ours = [logger for logger in loggers if isinstance(logger, RunLogger)]
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        for logger in ours:
            # The user has to read why the run ended, not that a server is away as well.
            with suppress(Exception):
                logger.end("interrupted" if stopped else "failed")
        raise
    with ExitStack() as all_of_them:
        for logger in ours:
            all_of_them.callback(logger.end, "done")
