"""What one of several runs prints goes to a file of its own: the terminal belongs to them all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from genlab.runs.directory import RunDirectory

__all__ = ["redirected"]


@contextmanager
def redirected(run: RunDirectory) -> Iterator[None]:
    """Send what is printed inside to the run's ``console.log``, behind what is there."""
    with (
        run.console.open("a", encoding="utf-8") as file,
        redirect_stdout(file),
        redirect_stderr(file),
    ):
        yield
