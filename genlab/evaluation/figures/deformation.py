"""Figures of a flow's way from its base to the data, layer by layer."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.densities.density import Density
from genlab.densities.inference import log_probs
from genlab.evaluation.figures.layout import PanelLayout
from genlab.evaluation.figures.style import Window, panels, position_colours, scatter, window_of

__all__ = ["Carried", "carried", "deformation_figure"]

LINES, PER_LINE = 13, 250
"""Lines each way of the grid, and points on each."""
POINTS = 2000
"""Samples in each panel: more hide the lines, and take most of the time to draw."""
SHADES = 25
"""Shades of a line: next to each other, no eye tells two of them apart."""


class Carried(NamedTuple):
    """The points after ``step`` layers, counted from the latent."""

    step: int
    points: Float[Tensor, "n 2"]


def carried(bijection: Bijection, z: Float[Tensor, "n 2"], *, most: int = 8) -> list[Carried]:
    """Images of latent points on their way to the data: at most ``most``, both ends included.

    Args:
        bijection: The flow's map.
        z: Latent points.
        most: Number of stages to keep, evenly spaced over the layers.
    """
    layers = bijection.steps()[::-1]
    keep = set(torch.linspace(0, len(layers), min(most, len(layers) + 1)).round().int().tolist())
    result = [Carried(0, z)]
    for step, layer in enumerate(layers, start=1):
        z = layer.generate(z)
        if step in keep:
            result.append(Carried(step, z))
    return result


def deformation_figure(
    bijection: Bijection,
    base: Density,
    z: Float[Tensor, "n 2"],
    *,
    window: Window,
    others: Window | None = None,
) -> Figure:
    """Samples of the base and a grid of lines on it, as the layers carry them to the data.

    Colours tell where in the latent a point came from. Lines fade where the base has no mass.

    Args:
        bijection: The flow's map.
        base: The density of the latent.
        z: Samples of it, of which the first `POINTS` are shown.
        window: What to show at the last stage.
        others: The same at the other ones; where their points are, if None.
    """
    points = _lines(others or window_of(z, square=True))
    log_p = log_probs(base, points)
    weight = (0.5 * (log_p - log_p.max())).exp()
    samples, lines = carried(bijection, z[:POINTS]), carried(bijection, points.to(z))
    windows = [others or window_of(points, square=True) for _, points in samples[:-1]] + [window]
    columns = len(samples) if len(samples) <= 4 else -(-len(samples) // 2)
    rows = -(-len(samples) // columns)
    figure, axes = panels(rows, columns, side=3.4, layout=PanelLayout())
    colours = position_colours(samples[0].points)
    last = samples[-1].step
    for axis, (step, points), (_, grid), shown in zip(axes, samples, lines, windows, strict=False):
        _grid(axis, grid, weight, shown)
        scatter(axis, points, colours)
        shown.frame(axis)
        axis.set_title(_title(step, last), fontsize=13)
        axis.tick_params(labelsize=9)
    for axis in axes[len(samples) :]:
        axis.set_visible(False)
    return figure


def _title(step: int, last: int) -> str:
    if step == 0:
        return "Latent z"
    return "Data x" if step == last else f"after {step} of {last} layers"


def _grid(
    axis: Axes, points: Float[Tensor, "m 2"], weight: Float[Tensor, " m"], window: Window
) -> None:
    path = points.detach().cpu().double().reshape(-1, PER_LINE, 2)
    # Ink is conserved: a stretched line pales, so that tears of the plane do not catch the eye.
    sides = path.new_tensor([window.right - window.left, window.top - window.bottom])
    length = (path.diff(dim=1) / sides).norm(dim=2).nan_to_num(1.0, 1.0)
    ink = (3 * length.median() / length.clamp_min(1e-12)).clamp_max(1.0)
    shades = (SHADES * weight.reshape(-1, PER_LINE)[:, 1:] * ink).round().int()
    # One line wherever the shade stays: the time to draw goes by their number.
    lines, alphas = [], []
    for line, shade in zip(path.numpy(), shades.numpy(), strict=True):
        for start, end in pairwise([0, *(np.diff(shade).nonzero()[0] + 1), len(shade)]):
            if shade[start]:
                lines.append(line[start : end + 1])
                alphas.append(shade[start] / SHADES)
    colours = [(0.15, 0.15, 0.15, alpha) for alpha in alphas]
    axis.add_collection(
        LineCollection(lines, colors=colours, linewidths=0.7, zorder=3, rasterized=True),
        autolim=False,
    )


def _lines(window: Window) -> Float[Tensor, "m 2"]:
    """Horizontal and vertical lines over a window, point by point."""
    (x, across), (y, up) = (
        [torch.linspace(*side, n, dtype=torch.float64) for n in (LINES, PER_LINE)]
        for side in ((window.left, window.right), (window.bottom, window.top))
    )
    horizontal = torch.cartesian_prod(y, across).flip(1)
    return torch.cat([horizontal, torch.cartesian_prod(x, up)])
