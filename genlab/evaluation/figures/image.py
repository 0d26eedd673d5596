"""Figures as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from genlab.runs.files import atomic_path

__all__ = ["save_figures"]


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as the PNG file of its name, and return the paths."""
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=150)
    return paths
