"""The bar of a training in a notebook, which stays below the cell when the training has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from uuid import uuid4

from genlab.notebook import show

__all__ = ["NotebookBar"]

PAUSE = 0.2
"""Seconds between two looks."""


class NotebookBar:
    """A bar with a line of text, drawn anew in its place.

    Args:
        total: Steps of the training.
        state: Tells the present step, and what is said beside the bar.
    """

    def __init__(self, total: int, state: Callable[[], tuple[int, str]]) -> None:
        self.total, self.state = total, state
        self.name = f"genlab-{uuid4().hex}"
        self.drawn: float | None = None

    def start(self) -> None:
        """Show the bar."""
        self._draw()

    def step(self) -> None:
        """Draw it anew, where the last time is long enough ago."""
        if self.drawn is None or time.monotonic() - self.drawn >= PAUSE:
            self._draw()

    def stop(self) -> None:
        """Draw it for the last time."""
        self._draw()

    def _draw(self) -> None:
        step, said = self.state()
        text = f"{step}/{self.total}  {said}"
        page = (
            f'<progress value="{step}" max="{self.total}" style="width:16em;vertical-align:middle">'
            f"</progress> <code>{escape(text)}</code>"
        )
        show(page, text, name=self.name, again=self.drawn is not None)
        self.drawn = time.monotonic()
