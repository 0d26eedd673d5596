"""A run that a subcommand works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genlab.cli.waiting import loading
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.find import resolve
from genlab.runs.manifest import read_manifest

if TYPE_CHECKING:
    from genlab.assembly import Run

__all__ = ["SavedRun"]


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

            return assembly.load(run.path)
