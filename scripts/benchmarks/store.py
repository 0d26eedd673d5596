"""What is finished, in one JSON file that is never half-written; and how cells are chosen."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from genlab.runs.files import read_json, write_json

__all__ = ["Store", "chosen"]


class Store:
    """Records by the name of their cell, written anew after each.

    Args:
        path: The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.records = self._read()

    def add(self, name: str, record: dict[str, Any]) -> None:
        """Keep a record, and what another process has added meanwhile."""
        self.records = {**self._read(), name: record}
        write_json(self.path, self.records)

    def _read(self) -> dict[str, Any]:
        begun = self.path.exists() and self.path.stat().st_size > 0
        return read_json(self.path) if begun else {}


def chosen(names: Iterable[str], words: Sequence[str]) -> list[str]:
    """The names that have all parts of one of the words; all of them without a word.

    >>> chosen(["step:nsf:dim2", "step:nsf:dim43", "sample:nsf:dim2"], ["nsf:dim2", "dim43"])
    ['step:nsf:dim2', 'step:nsf:dim43', 'sample:nsf:dim2']
    """
    names = list(names)
    for word in words:
        known = {part for name in names for part in name.split(":")}
        for part in word.split(":"):
            if part not in known:
                near = difflib.get_close_matches(part, known, n=1) or sorted(known)[:1]
                _refuse(f"--only {word}: no cell has {part!r}; try {near[0]!r}, or --list")
        if not any(set(word.split(":")) <= set(name.split(":")) for name in names):
            _refuse(f"--only {word}: no cell has all of these parts; see --list")
    wanted = [set(word.split(":")) for word in words] or [set()]
    return [name for name in names if any(parts <= set(name.split(":")) for parts in wanted)]


def _refuse(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(2)
