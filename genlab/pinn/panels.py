"""Panels that the figures of a solve are made of: fields over a plane, points, and slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from torch import Tensor

from genlab.evaluation.figures.style import DENSITY, add_colourbar
from genlab.pde import Problem

__all__ = [
    "RESIDUAL",
    "SMALLEST",
    "SOLUTION",
    "Slab",
    "as_graphs",
    "finite",
    "name_axes",
    "show_field",
    "show_logarithm",
    "show_points",
    "slabs",
    "top_of",
]

OUTSIDE = "0.85"
SOLUTION = colormaps["viridis"].with_extremes(bad=OUTSIDE)
MASS = DENSITY.with_extremes(bad=OUTSIDE)
RESIDUAL = r"$\log_{10}\,r^2$"
# What has no logarithm is shown as the lowest that there is.
SMALLEST = 1e-30


class Slab(NamedTuple):
    """A part of a domain of three coordinates, between two values of the third one.

    >>> import torch
    >>> slab = Slab(0.0, 0.5)
    >>> slab.middle, slab.of(torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.7]]))
    (0.25, tensor([[0.1000, 0.2000]]))

    Attributes:
        low: The lower value.
        high: The upper one.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    def place(self, problem: Problem) -> str:
        """The middle, in words."""
        rounded = abs(self.middle) < 1e-6 * (self.high - self.low)
        return f"{problem.coordinates[2]} = {0.0 if rounded else self.middle:.3g}"

    def of(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "m 2"]:
        """The first two coordinates of the points in it."""
        within = (x[:, 2] >= self.low) & (x[:, 2] <= self.high)
        return x[within, :2]


def slabs(problem: Problem, number: int) -> list[Slab]:
    """Equal slabs of a domain; their middles are the slices of a `Grid`."""
    edges = np.linspace(*problem.domain.box[2], number + 1).tolist()
    return [Slab(low, high) for low, high in pairwise(edges)]


def show_field(
    axis: Axes,
    values: Float[Tensor, "size size"],
    problem: Problem,
    title: str,
    colours: Colormap,
    limits: tuple[float, float],
) -> None:
    """A field over the first two coordinates, by colours."""
    image = axis.imshow(
        values.T.numpy(),  # the first coordinate goes to the right
        origin="lower",
        extent=(*problem.domain.box[0], *problem.domain.box[1]),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
    )
    axis.set_title(title, fontsize=12)
    name_axes(axis, problem)
    add_colourbar(image, axis)


def show_logarithm(
    axis: Axes,
    values: Float[Tensor, "size size"],
    problem: Problem,
    title: str,
    top: float | None = None,
    decades: int = 6,
) -> None:
    """A field of many orders of magnitude, the upper ones of them.

    Args:
        axis: Where to.
        values: The field; NaN outside the domain.
        problem: The PDE, for its domain and the names of its coordinates.
        title: Of the panel.
        top: Logarithm of the largest value that is told apart; that of the field if None.
        decades: How many orders of magnitude.
    """
    logarithm = values.clamp_min(SMALLEST).log10()
    top = top_of(values) if top is None else top
    show_field(axis, logarithm, problem, title, MASS, (top - decades, top))


def top_of(values: Float[Tensor, "*sides"]) -> float:
    """The logarithm of the largest value of a field."""
    return float(finite(values).max().clamp_min(SMALLEST).log10())


def finite(values: Float[Tensor, "*sides"]) -> Float[Tensor, " k"]:
    """The values of a field in the domain; a zero where there is none."""
    inside = values[values.isfinite()]
    return inside if len(inside) else values.new_zeros(1)


def show_points(axis: Axes, points: Float[Tensor, "n 2"]) -> None:
    """Points over a field, smaller where there are more."""
    x, y = points.numpy().T
    size = float(np.clip(2500 / max(len(x), 1), 1.2, 5.0))
    axis.scatter(x, y, s=size, c="#39d0ff", linewidths=0, alpha=0.8, rasterized=True)


def name_axes(axis: Axes, problem: Problem) -> None:
    """Call the axes by the first two coordinates."""
    axis.set_xlabel(problem.coordinates[0], fontsize=10)
    if problem.dim > 1:
        axis.set_ylabel(problem.coordinates[1], fontsize=10)


def as_graphs(axes: Sequence[Axes]) -> None:
    """Let panels show graphs of functions of one variable."""
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.set_box_aspect(0.75)
