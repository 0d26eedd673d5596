"""The part of the plane that a figure shows, and a grid on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

__all__ = ["Window", "window_of"]


@dataclass(frozen=True)
class Window:
    """The rectangle ``[left, right] x [bottom, top]``."""

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
