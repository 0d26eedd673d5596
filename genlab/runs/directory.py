"""Where a run keeps its files, and how it gets a directory of its own."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from genlab.errors import UserError

__all__ = ["RunDirectory", "claim", "dated"]


class _Part:
    """An attribute of a run: the path of one of its files or folders."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: RunDirectory, owner: type) -> Path:
        return run.path / self.name


@dataclass(frozen=True)
class RunDirectory:
    """The layout of a run directory; every part of genlab finds a run's files by these names.

    Attributes:
        path: The directory itself.
    """

    path: Path

    config = _Part("config.yaml")  # the resolved configuration
    manifest = _Part("run.json")  # what was run: flat configuration, versions, likelihood label
    status = _Part("status.json")  # how the run stands
    metrics = _Part("metrics.json")  # the final ones, flat
    curves = _Part("curves.json")  # learning curves, a value a validation
    scalars = _Part("scalars.csv")  # every scalar that was logged, as a table
    labels = _Part("labels.json")  # tags and notes, which are nothing of what was run
    changes = _Part("changes.patch")  # what the user's repository held beyond its commit
    checkpoints = _Part("checkpoints")
    best = _Part("checkpoints/best.ckpt")  # weights of the best validation
    last = _Part("checkpoints/last.ckpt")  # everything that is needed to go on
    tensorboard = _Part("tensorboard")  # event files
    figures = _Part("figures")
    stages = _Part("stages")  # of a solve
    log = _Part("run.log")
    console = _Part("console.log")  # what a run among others would have printed

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> RunDirectory:
        """Make the directory and its folders; a directory that `claim` made is taken as it is.

        Raises:
            UserError: It cannot be written, or holds a run already.
        """
        run = cls(Path(path))
        if run.manifest.exists():
            raise run.taken()
        try:
            for folder in (run.checkpoints, run.tensorboard, run.figures):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(run.path, error) from error
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunDirectory:
        """The run in an existing directory.

        Raises:
            UserError: There is no such directory, or no run in it.
        """
        run = cls(Path(path))
        if not run.path.is_dir():
            raise UserError(f"{run.path}: no such directory")
        if not run.manifest.exists():
            raise UserError(f"{run.path}: not a run directory ({run.manifest.name} is missing)")
        return run

    def taken(self) -> UserError:
        """The error of a second run in the directory."""
        return UserError(
            f"{self.path}: holds a run already; go on with it by `genlab resume {self.typed}`, "
            "or choose another directory"
        )

    @property
    def typed(self) -> str:
        """The directory as a word of a command line."""
        return shlex.quote(str(self.path))

    def clear(self) -> None:
        """Remove what a run has left that cannot go on; its ``console.log`` stays."""
        kept = (self.config, self.manifest, self.status, self.metrics, self.curves, self.scalars)
        for path in (*kept, self.changes, self.log):
            path.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.tensorboard, self.figures, self.stages):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def weights(self) -> Path:
        """The best weights; the last of a run that was stopped before its first validation."""
        judged = self.best.exists() or self.metrics.exists()
        return self.best if judged or not self.last.exists() else self.last


def dated(outputs: str | os.PathLike[str], *names: str) -> Path:
    """Where a run, a sweep or a study that begins now belongs: below ``outputs``, by day and time.

    It is not made: `claim` makes it, or one beside it where another one was faster.
    """
    now = datetime.now()
    name = "-".join((f"{now:%H-%M-%S}", *names))
    return Path(outputs).expanduser() / f"{now:%Y-%m-%d}" / name


def claim(parent: Path, name: str) -> Path:
    """Make a new directory ``parent/name``, or ``name-2``, ``name-3`` ... where that one is taken.

    The directory is made by one system call that fails where it exists, so of any number of runs
    that start in the same instant each gets its own.

    Raises:
        UserError: ``parent`` cannot be written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = parent / (name if number == 1 else f"{name}-{number}")
            if _make(path):
                return path
    except OSError as error:
        raise _unwritable(parent, error) from error
    raise AssertionError("unreachable: the count is endless")


def _make(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: cannot be written ({error.strerror}); choose another folder with outputs=DIR"
    )
