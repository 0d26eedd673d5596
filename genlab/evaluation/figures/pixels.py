"""Figures as pixels, and pixels as the bytes of a PNG file: drawn once, packed fast."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["encode_png", "figure_to_image"]

# Of zlib: the fastest that packs at all.
LEVEL = 1


def figure_to_image(figure: Figure) -> UInt8[np.ndarray, "height width 3"]:
    """Render a figure at its own resolution: RGB rows from the top.

    `Figure.savefig` lays a figure out by drawing it a first time without pixels; drawing once does
    both, to the same pixels.

    Args:
        figure: What to draw, on an opaque ground.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.array(pixels)[..., :3]


def encode_png(pixels: UInt8[np.ndarray, "height width 3"], *, dpi: float = 100) -> bytes:
    """The bytes of a PNG file.

    >>> encode_png(np.zeros((2, 3, 3), np.uint8))[1:4]
    b'PNG'

    Args:
        pixels: RGB rows from the top.
        dpi: Pixels an inch, as the file tells whoever prints it.
    """
    packed = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(packed, "PNG", compress_level=LEVEL, dpi=(dpi, dpi))
    return packed.getvalue()
