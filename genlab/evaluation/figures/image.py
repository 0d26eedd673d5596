"""A figure as pixels, and as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genlab.runs.files import atomic_path

__all__ = ["figure_to_image", "save_figures"]


def figure_to_image(figure: Figure) -> UInt8[np.ndarray, "height width 3"]:
    """Render a figure at its own resolution: RGB rows from the top, for TensorBoard ("HWC")."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.array(pixels)[..., :3]


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as the PNG file of its name, and return the paths."""
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=150)
    return paths
