"""Whether a person looks from a notebook, and showing something there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["in_notebook", "page_table", "show"]

CELL = "text-align:left;padding:2px 1em 2px 0"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook.

    >>> in_notebook()
    False
    """
    return _shell() is not None


def show(page: str, text: str, *, name: str | None = None, again: bool = False) -> None:
    """Show something below the cell that is running.

    Args:
        page: It as HTML.
        text: It as text, for readers without HTML.
        name: What it is called, to be shown again.
        again: Whether it takes the place of what is there by this name.
    """
    shell = _shell()
    assert shell is not None
    place = {} if name is None else {"display_id": name}
    shell.display_pub.publish(
        data={"text/html": page, "text/plain": text}, transient=place, update=again
    )


def page_table(rows: Iterable[Sequence[str]]) -> str:
    """Rows of text as a table of HTML, the first cell of each a heading.

    >>> "<b>" in page_table([("model", "<b>")])
    False
    """
    lines = "".join(
        f'<tr><th style="{CELL}">{escape(head)}</th>'
        + "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for head, *cells in rows
    )
    return f"<table>{lines}</table>"


def _shell() -> Any:
    """The shell of the kernel; None in a script, on a terminal, and in IPython on one."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None
