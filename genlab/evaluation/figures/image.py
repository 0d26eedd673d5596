"""A figure as pixels."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["figure_to_image"]


def figure_to_image(figure: Figure) -> UInt8[np.ndarray, "height width 3"]:
    """Render a figure at its own resolution: RGB rows from the top, for TensorBoard ("HWC")."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.array(pixels)[..., :3]
