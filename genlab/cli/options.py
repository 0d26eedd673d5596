"""What the configuration offers: its groups, their choices, and a line on each, read as text."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path

from genlab.config import is_hidden

__all__ = ["choices", "groups", "listing"]

WIDTH = 100
FIRST = ("experiment", "model", "data", "problem", "sampler", "objective")


def groups(folder: Path) -> list[str]:
    """Names of the groups that a user chooses from, the most used first."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    shown = [name for name in names if not is_hidden(name) and not name.startswith((".", "_"))]
    return sorted(shown, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


def choices(folder: Path, group: str) -> dict[str, str]:
    """Each choice of a group with its description, which is its file's first comment line.

    A file whose name begins with an underscore is what others build on, and no choice by itself.
    """
    return {
        path.stem: _description(path.read_text(encoding="utf-8").splitlines())
        for path in sorted((folder / group).glob("[!_]*.yaml"))
    }


def listing(folders: Sequence[Path], wanted: Collection[str]) -> str:
    """Groups with the names of their choices, for the help of a command.

    Args:
        folders: Where choices are found: those of genlab, and the user's own.
        wanted: The groups to show.
    """
    lines = []
    for group in [name for name in groups(folders[0]) if name in wanted]:
        names = sorted({name for folder in folders for name in choices(folder, group)})
        lines.append(textwrap.fill(f"{group}: {', '.join(names)}", WIDTH, subsequent_indent="  "))
    return "\n".join(lines) + "\n"


def _description(lines: Sequence[str]) -> str:
    for line in lines:
        if not line.startswith("#"):
            break
        # Hydra's own directives, such as `# @package _global_`, have to come first.
        if not line.startswith("# @"):
            return line.strip("# ")
    return ""
