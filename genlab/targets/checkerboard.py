"""A checkerboard of uniform squares."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.targets.cells import uniform_in_cells
from genlab.targets.exact import ExactTarget

__all__ = ["Checkerboard"]


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
