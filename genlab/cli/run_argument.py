"""The run that a subcommand works on, and a word to a person who waits for the imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from genlab.errors import UserError
from genlab.imports import uncollected, without_signal
from genlab.runs.directory import RunDirectory
from genlab.runs.find import resolve
from genlab.runs.manifest import read_manifest

if TYPE_CHECKING:
    from genlab.assembly import Run

__all__ = ["SavedRun", "loading"]

ERASE_LINE = "\x1b[2K\r"


class SavedRun:
    """The run that a user means, readable before torch is imported.

    Args:
        text: A path, a run's name, or ``latest``.

    Attributes:
        directory: Where it lies.
        manifest: What it is.
        title: It in one line.

    Raises:
        UserError: There is no such run, or it is of another version.
    """

    def __init__(self, text: str) -> None:
        self.directory: RunDirectory = resolve(text)
        self.manifest: dict[str, Any] = read_manifest(self.directory)
        self.title = f"{self.manifest['model']} on {self.manifest['data']}: {self.directory.path}"

    def load(self) -> Run:
        """The experiment, with its best weights.

        Raises:
            UserError: No validation has chosen any yet.
        """
        run = self.directory
        if run.weights != run.best:
            raise UserError(
                f"{run.path}: before its first validation, it has no best weights yet\n"
                f"If it was stopped, this goes on with it: genlab resume {run.path}"
            )
        with loading():
            from genlab import assembly

            return cast("Run", assembly.load(run.path))


@contextmanager
def loading() -> Iterator[None]:
    """Say that torch and Lightning, which take seconds, are being loaded; nothing to a file."""
    told = sys.stderr.isatty()
    if told:
        print("loading torch and Lightning ...", end="\r", file=sys.stderr, flush=True)
    try:
        with uncollected(), without_signal():
            yield
    finally:
        if told:
            print(ERASE_LINE, end="", file=sys.stderr, flush=True)
