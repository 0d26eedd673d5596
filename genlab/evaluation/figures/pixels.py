"""Figures as pixels, and pixels as the bytes of a PNG file: drawn once, packed fast."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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
    """The bytes of a PNG file (ISO/IEC 15948:2004).

    Its rows are packed as they are: of figures, whose ground is of one colour, the filters that
    Pillow tries for each row make no smaller files, in twice the time.

    >>> encode_png(np.zeros((2, 3, 3), np.uint8))[1:4]
    b'PNG'

    Args:
        pixels: RGB rows from the top.
        dpi: Pixels an inch, as the file tells whoever prints it.
    """
    height, width, _ = pixels.shape
    # In front of each row is the number of its filter, 0 for none.
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))
    metre = round(dpi / 0.0254)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),  # 8 bits each of RGB
        b"pHYs": struct.pack(">IIB", metre, metre, 1),
        b"IDAT": zlib.compress(rows.data, LEVEL),
        b"IEND": b"",
    }
    packed = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks.items():
        checked = kind + content
        packed += struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
    return packed
