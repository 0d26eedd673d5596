"""A learned scale and shift for each coordinate, started so that first rows are standardised."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.standardise import mean_and_log_scale

__all__ = ["ActNorm"]


class ActNorm(Bijection):
    """``z = x exp(s) + b`` (Kingma, Dhariwal, "Glow", 2018, section 3.1).

    The identity until `initialise` sees data; no hidden state switches on a first call.

    Args:
        dim: Number of coordinates.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z = torch.addcmul(self.shift, x, self.log_scale.exp())
        return z, self.log_scale.sum().expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return (z - self.shift) * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(z))

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n d"]:
        mean, log_scale = mean_and_log_scale(x)
        self.log_scale.copy_(-log_scale)
        self.shift.copy_(-mean * (-log_scale).exp())
        return self.forward(x)[0]
