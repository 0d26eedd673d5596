"""The look that all figures share: panels, colours, and the window of the plane that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from torch import Tensor

__all__ = [
    "CARD",
    "DENSITY",
    "DIFFERENCE",
    "MODEL",
    "TRUTH",
    "Window",
    "add_colourbar",
    "panels",
    "position_colours",
    "scatter",
    "window_of",
]

CARD = 6.4
"""Width of a figure on a card of TensorBoard, in inches: 12 points are then 2.6 % of it."""
TRUTH = "#1f5fa8"
MODEL = "#e07b1a"
# A value that is not a number must catch the eye, not pass for zero.
DENSITY: Colormap = colormaps["magma"].with_extremes(bad="#00e5ff")
DIFFERENCE: Colormap = colormaps["RdBu_r"].with_extremes(bad="#00e5ff")


def panels(
    rows: int,
    columns: int,
    *,
    side: float,
    height: float | None = None,
    dpi: int = 120,
    layout: LayoutEngine | Literal["constrained"] = "constrained",
) -> tuple[Figure, list[Axes]]:
    """A figure of square panels, row by row, that renders without a display.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        side: Width of a panel with its labels, in inches.
        height: Height of a row, in inches; a little more than ``side`` if None, for the title.
        dpi: Pixels an inch.
        layout: What finds room for words; a `PanelLayout` takes less time, but knows panels only.
    """
    size = (side * columns, (1.06 * side if height is None else height) * rows)
    figure = Figure(figsize=size, dpi=dpi, layout=layout)
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_box_aspect(1)
        axis.locator_params(nbins=6)  # more labels would touch each other
        axis.tick_params(which="both", labelsize=10, color="0.4", labelcolor="0.25")
        axis.spines[:].set_color("0.4")
    return figure, axes


def add_colourbar(
    image: ScalarMappable, axis: Axes, *, at: float = 1.04, width: float = 0.05
) -> None:
    """A colourbar exactly as high as its panel, with a tip where values lie beyond its end.

    Args:
        image: What it explains; without values of its own it has no tips.
        axis: The panel.
        at: Its left side, in widths of the panel from the left.
        width: In widths of the panel.
    """
    held, (low, high) = image.get_array(), image.get_clim()
    values = np.asarray([low, high] if held is None else held)
    slack = 0.01 * (high - low)
    below, above = bool((values < low - slack).any()), bool((values > high + slack).any())
    extend: Literal["neither", "both", "min", "max"] = (
        ("both" if above else "min") if below else ("max" if above else "neither")
    )
    scale = axis.inset_axes((at, 0.0, width, 1.0))
    bar = axis.figure.colorbar(image, cax=scale, extend=extend, extendfrac=0.04)
    bar.outline.set_visible(False)
    scale.tick_params(labelsize=10, color="0.4", labelcolor="0.25")


def scatter(
    axis: Axes,
    points: Float[Tensor, "n 2"],
    colour: str | Float[np.ndarray, "n 3"],
    *,
    alpha: float = 0.6,
) -> None:
    """A cloud of small points, of a size that suits their number."""
    x, y = points.detach().cpu().double().numpy().T
    size = float(np.clip(15_000 / max(len(x), 1), 1.0, 12.0))
    axis.scatter(x, y, s=size, c=colour, alpha=alpha, linewidths=0, rasterized=True)


def position_colours(points: Float[Tensor, "n 2"]) -> Float[np.ndarray, "n 3"]:
    """A colour for each place of the plane: hue by angle about the median, paler towards it.

    Angles are taken after both axes are brought to the same mean absolute deviation.

    Hues are taken at equal lightness and chroma in OKLCH (Ottosson, "A perceptual color space for
    image processing", 2020, bottosson.github.io/posts/oklab), so that no direction stands out.

    Args:
        points: Places in the plane.

    Returns:
        sRGB colours in [0, 1].
    """
    centred = points.detach().double().cpu()
    centred = torch.nan_to_num(centred - centred.nanmedian(0).values, posinf=0.0, neginf=0.0)
    centred = centred / centred.abs().mean(0).clamp_min(1e-12)
    radius = centred.norm(dim=1)
    angle = torch.atan2(centred[:, 1], centred[:, 0])
    reach = torch.quantile(radius[:100_000], 0.95).clamp_min(1e-12)
    out = (radius / reach).clamp(0, 1)
    return _oklch(0.74 - 0.12 * out, 0.08 + 0.08 * out, angle).numpy()


def _oklch(
    lightness: Float[Tensor, " n"], chroma: Float[Tensor, " n"], hue: Float[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """OKLCH to sRGB, clipped to the gamut (Ottosson, 2020)."""
    lab = torch.stack([lightness, chroma * hue.cos(), chroma * hue.sin()], 1)
    to_cones: Sequence[Sequence[float]] = (
        (1.0, 0.3963377774, 0.2158037573),
        (1.0, -0.1055613458, -0.0638541728),
        (1.0, -0.0894841775, -1.2914855480),
    )
    to_linear: Sequence[Sequence[float]] = (
        (4.0767416621, -3.3077115913, 0.2309699292),
        (-1.2684380046, 2.6097574011, -0.3413193965),
        (-0.0041960863, -0.7034186147, 1.7076147010),
    )
    cones = (lab @ lab.new_tensor(to_cones).T) ** 3
    linear = (cones @ lab.new_tensor(to_linear).T).clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Window:
    """The rectangle ``[left, right] x [bottom, top]``.

    >>> window = Window(0, 2, 0, 1)
    >>> window.area, window.grid(1)
    (2, tensor([[1.0000, 0.5000]], dtype=torch.float64))
    """

    left: float
    right: float
    bottom: float
    top: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Edges in the order of ``imshow``."""
        return self.left, self.right, self.bottom, self.top

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.top - self.bottom)

    def grid(self, size: int) -> Float[Tensor, "cells 2"]:
        """Centres of ``size x size`` cells, float64.

        Values on it, reshaped to ``[size, size]``, are an image whose row is y, upwards, and whose
        column is x: ``imshow(values, origin="lower", extent=window.extent)``.
        """
        steps = (torch.arange(size, dtype=torch.float64) + 0.5) / size
        y = self.bottom + (self.top - self.bottom) * steps
        x = self.left + (self.right - self.left) * steps
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([columns.flatten(), rows.flatten()], 1)

    def frame(self, axis: Axes) -> None:
        """Show exactly this window."""
        axis.set_xlim(self.left, self.right)
        axis.set_ylim(self.bottom, self.top)


def window_of(
    points: Float[Tensor, "n 2"],
    *,
    bound: float | None = None,
    square: bool = False,
    margin: float = 0.08,
) -> Window:
    """The square ``[-bound, bound]^2``, or else a window that holds nearly all of the points.

    Without a bound, the window reaches from the 0.5 % quantile to the 99.5 % quantile of each
    axis, and a margin further. Points that are not finite are passed over.

    Args:
        points: A cloud of points.
        bound: Half the side of the square; None to follow the points.
        square: Give both axes the same length, that of the longer one.
        margin: What is added on each side, as a part of the length.
    """
    if bound is not None:
        return Window(-bound, bound, -bound, bound)
    points = points.detach().cpu().double()
    points = points[points.isfinite().all(1)][:1_000_000]
    if not len(points):
        return Window(-1.0, 1.0, -1.0, 1.0)
    low, high = torch.quantile(points, points.new_tensor([0.005, 0.995]), dim=0)
    centre, half = (low + high) / 2, (high - low) * (0.5 + margin)
    # A constant coordinate, up to rounding, is shown with room on both sides.
    room = (0.1 * centre.abs()).clamp_min(1.0)
    half = torch.where(half > 1e-12 * centre.abs(), half, room)
    if square:
        half = half.max().expand(2)
    (left, bottom), (right, top) = (centre - half).tolist(), (centre + half).tolist()
    return Window(left, right, bottom, top)
