"""Laplace's equation round a re-entrant corner, where the solution's gradient is infinite."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.pde.boundary import Polygon
from genlab.pde.domain import LShape
from genlab.pde.jet import Jet
from genlab.pde.problem import Problem

__all__ = ["Corner"]

CORNERS = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (0.0, -1.0)]


class Corner(Problem):
    """``-lap u = 0`` on the L-shape, ``u = r^(2/3) sin(2 theta / 3)``, theta in ``[0, 3 pi / 2]``.

    Args:
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, n_points: PositiveInt) -> None:
        boundary = Polygon(CORNERS, cutoff=_cutoff)
        super().__init__(LShape(), boundary, n_points=n_points)

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return -u.laplacian

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        angle = torch.remainder(torch.atan2(x[:, 1], x[:, 0]), 2 * math.pi)
        return x.square().sum(1) ** (1 / 3) * torch.sin(2 * angle / 3)


def _cutoff(x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    # The outer square's cutoff times an R-function of the notch: -x + y + |(x, y)| vanishes on both
    # of its sides (Rvachev, Sheiko, "R-functions in boundary value problems in mechanics", 1995).
    outer = (1 - x.square()).prod(1)
    notch: Tensor = x[:, 1] - x[:, 0] + x.square().sum(1).sqrt()
    return outer * notch
