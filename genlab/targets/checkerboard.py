"""A checkerboard of uniform squares."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.targets.exact import ExactTarget

__all__ = ["Checkerboard", "uniform_in_cells"]


class Checkerboard(ExactTarget):
    """Uniform on eight squares of side 2 in ``[-4, 4)^2`` (toy of FFJORD, Grathwohl et al. 2019).

    ``p(x) = 1/32`` where ``floor(x1 / 2) + floor(x2 / 2)`` is even.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entropy = math.log(32)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        column = torch.randint(-2, 2, (n,), generator=generator, device=self.device)
        pair = torch.randint(-1, 1, (n,), generator=generator, device=self.device)
        row = 2 * pair + column.remainder(2)
        cells = torch.stack((column, row), 1)
        return 2 * (cells + uniform_in_cells(n, 4, generator, self.device))

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        cells = (x / 2).floor()
        dark = cells.sum(1).remainder(2) == 0
        inside = ((x >= -4) & (x < 4)).all(1)
        return torch.where(dark & inside, x.new_tensor(-math.log(32)), -math.inf)


def uniform_in_cells(
    n: int, cells: int, generator: torch.Generator | None, device: torch.device
) -> Float[Tensor, "n 2"]:
    """Uniform places in ``[0, 1)^2`` that stay in their cell when its number is added in float32.

    Args:
        n: Number of places.
        cells: Number of cells along a side: the more there are, the coarser is float32 within one.
        generator: Source of randomness.
        device: Where to draw.
    """
    margin = min(0.25, cells * 2.0**-23)
    return torch.rand(n, 2, generator=generator, device=device).clamp(margin, 1 - margin)
