"""``genlab solve``: a Hydra application like ``genlab train``."""

from __future__ import annotations

from collections.abc import Sequence

from genlab.cli.commands import train

__all__ = ["run"]


def run(words: Sequence[str]) -> int:
    """Solve one problem, or one after the other with ``-m``."""
    return train.run(words, command="solve")
