"""The scalar map of flows on circles and tori."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.spline import Spline
from genlab.nn.angles import wrap

__all__ = ["CircularSpline"]


class CircularSpline(ScalarMap):
    """A rational-quadratic spline of the circle ``[-pi, pi]``, then a turn: ``z = S(x) + phase``.

    The first and the last knot are one point of the circle and share their derivative, so that the
    map is continuously differentiable across the cut, wherever the phase turns it to (Rezende et
    al., "Normalizing flows on tori and spheres", 2020, section 2.1.2). Angles are taken modulo
    ``2 pi``. ``3 bins + 1`` parameters: widths and heights in turn, the derivatives at the knots,
    the phase.

    Args:
        bins: Number of bins.
    """

    def __init__(self, *, bins: int) -> None:
        super().__init__()
        self.n_parameters = 3 * bins + 1
        self.spline = Spline(bins=bins, bound=math.pi)

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        sizes, slopes, phase = self._split(parameters)
        z, log_derivative = self.spline(self._on_circle(x), sizes, slopes)
        return wrap(z + phase), log_derivative

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        sizes, slopes, phase = self._split(parameters)
        x, log_derivative = self.spline(self._on_circle(z - phase), sizes, slopes, inverse=True)
        return x, log_derivative

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bins = self.spline.bins
        table = parameters.transpose(0, 1).contiguous()
        sizes, slopes, phase = table.split((2 * bins, bins, 1))
        return sizes, torch.cat((slopes, slopes[:1])), phase.squeeze(0)

    @staticmethod
    def _on_circle(angle: Tensor) -> Tensor:
        # Rounding may leave a wrapped angle a hair beyond the ends.
        return wrap(angle).clamp(-math.pi, math.pi)
