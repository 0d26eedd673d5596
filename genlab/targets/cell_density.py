"""A density from its values on the cells of a grid: how a residual becomes a target."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.targets.exact import ExactTarget
from genlab.targets.quadrature import Box

__all__ = ["CellDensity"]


class CellDensity(ExactTarget):
    """``p`` constant on each of ``k x k`` equal cells of a rectangle, in proportion to a weight.

    Args:
        weight: Not negative and not all zero; row by row along the second coordinate.
        box: The rectangle.
    """

    log_density: Float[Tensor, "k k"]
    cumulative: Float[Tensor, " cells"]
    low: Float[Tensor, " 2"]
    side: Float[Tensor, " 2"]

    def __init__(self, weight: Float[Tensor, "k k"], box: Box) -> None:
        super().__init__()
        self.cells = len(weight)
        edges = torch.tensor(box, dtype=torch.float64)
        side = (edges[:, 1] - edges[:, 0]) / self.cells
        log_area = float(side.log().sum())
        p = weight.double() / weight.double().sum()
        self.bound = float(edges.abs().max())
        self.entropy = float(torch.special.entr(p).sum()) + log_area
        self.register_buffer("log_density", p.log() - log_area, persistent=False)
        cumulative = p.flatten().cumsum(0)
        self.register_buffer("cumulative", cumulative / cumulative[-1], persistent=False)
        self.register_buffer("low", edges[:, 0].clone(), persistent=False)
        self.register_buffer("side", side, persistent=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        uniform = torch.rand(n, 3, dtype=torch.float64, generator=generator, device=self.device)
        cell = torch.searchsorted(self.cumulative, uniform[:, 2].contiguous(), right=True)
        place = torch.stack((cell // self.cells, cell % self.cells), 1)
        return (self.low + self.side * (place + uniform[:, :2])).float()

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        place = ((x.double() - self.low) / self.side).floor()
        inside = ((place >= 0) & (place < self.cells)).all(1)
        row, column = place.clamp(0, self.cells - 1).long().unbind(1)
        return torch.where(inside, self.log_density[row, column], -math.inf).to(x)
