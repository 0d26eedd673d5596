"""A word to a person who waits for the imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["loading"]

ERASE_LINE = "\x1b[2K\r"


@contextmanager
def loading() -> Iterator[None]:
    """Say that torch and Lightning, which take seconds, are being loaded; nothing to a file."""
    if not sys.stderr.isatty():
        yield
        return
    print("loading torch and Lightning ...", end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(ERASE_LINE, end="", file=sys.stderr, flush=True)
