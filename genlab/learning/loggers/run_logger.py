"""What a logger of a run is told, and when it begins and ends."""

from __future__ import annotations

import hashlib
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np
from jaxtyping import UInt8
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger

from genlab.errors import GenlabError, Interrupted, UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.manifest import read_manifest

__all__ = ["RunLogger", "Told", "logging_to"]

notes = logging.getLogger("genlab.notes")
# Groups of options whose choices tell runs apart.
TOLD_APART = ("model", "data", "problem", "sampler")


class Told(TypedDict):
    """What the run itself tells a logger."""

    save_dir: str
    title: str
    settings: Mapping[str, Any]
    purge_step: int | None


class RunLogger(Logger):
    """A logger that shows one run, in the first of several processes alone.

    `logging_to` begins it when the run has a record, and ends it behind the test and its figures. A
    library that fails to begin keeps the run from starting. One that fails later, as when a server
    goes away, is told nothing more, and the run goes on.

    A class whose runs are on a server has a static method ``look(**node)``, which is given the
    logger's section of the configuration, and refuses a server that does not answer.

    Args:
        save_dir: The run's folder.
        title: What people call the run.
        settings: Its flat configuration.
        purge_step: The first step that is logged again; None where a run begins.

    Attributes:
        requires: The package that it needs; None where that is always there.
        lost: Whether its library has failed since it began.
    """

    requires: ClassVar[str | None] = None

    def __init__(
        self, *, save_dir: str, title: str, settings: Mapping[str, Any], purge_step: int | None
    ) -> None:
        super().__init__()
        self.run = RunDirectory(Path(save_dir))
        self.title, self.settings, self.purge_step = title, settings, purge_step
        self.lost = False
        self._begun, self._step = False, 0

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

    @property
    def choices(self) -> dict[str, str]:
        """What the run learns, and from what, by group: what tags tell of it."""
        found = {group: self.settings.get(f"choices.{group}") for group in TOLD_APART}
        return {group: str(option) for group, option in found.items() if option is not None}

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: the settings are told at the start."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        at = step or 0
        self._tell(at, lambda: self._write_scalars(metrics, at))

    @rank_zero_only
    def log_figure(self, tag: str, pixels: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        """Log a figure by its tag, as RGB rows from the top."""
        self._tell(step, lambda: self._write_figure(tag, pixels, step))

    @rank_zero_only
    def begin(self) -> None:
        """Begin, or go on with, the run's own page.

        Raises:
            UserError: The library cannot.
        """
        try:
            self._begin()
        except GenlabError:
            raise
        except Exception as error:  # whatever a library raises
            raise UserError(f"logger={self.name}: cannot begin: {_told(error)}") from error
        self._begun = True

    @rank_zero_only
    def end(self, state: str) -> None:
        """End what has begun.

        Args:
            state: How the run ended: done, failed or interrupted.
        """
        if self._begun:
            self._tell(self._step, lambda: self._end(state))
            self._begun = False
        if self.lost:
            text = "note: logger=%s has what was logged until step %d at most; all is in %s"
            notes.warning(text, self.name, self._step, self.run.path)

    def _tell(self, step: int, write: Callable[[], None]) -> None:
        if self.lost:
            return
        self._step = step
        try:
            write()
        except GenlabError:  # of the run's own folder
            raise
        except Exception as error:  # whatever a library raises
            self.lost = True
            notes.warning("note: logger=%s: lost: %s; the run goes on", self.name, _told(error))

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
def logging_to(loggers: Iterable[Logger]) -> Iterator[None]:
    """Begin the loggers of a run with the block, and end them as it ends, all whatever one says.

    Raises:
        UserError: One cannot begin.
    """
    ours = [logger for logger in loggers if isinstance(logger, RunLogger)]
    try:
        for logger in ours:
            logger.begin()
        yield
    except BaseException as error:
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        for logger in ours:
            # The user has to read why the run ended, not that a disk is full as well.
            with suppress(GenlabError):
                logger.end("interrupted" if stopped else "failed")
        raise
    with ExitStack() as all_of_them:
        for logger in ours:
            all_of_them.callback(logger.end, "done")


def _told(error: Exception) -> str:
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"
