"""The unit cube to the whole space, with its faces kept at a distance."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from genlab.bijections.bijection import Bijection
from genlab.bounds import Positive

__all__ = ["LogitTransform"]


class LogitTransform(Bijection):
    """``z = logit(s)``, ``s = alpha + (1 - 2 alpha) x``, of each number of x in [0, 1].

    Dinh, Sohl-Dickstein, Bengio, "Density estimation using real NVP" (2017), section 4.1; fixed.
    ``log|dz/dx| = log(1 - 2 alpha) - log s - log(1 - s)``, where ``1 - s`` is computed from
    ``1 - x``, so that it is as exact near 1 as s is near 0. Where x lies so far out of [0, 1]
    that s leaves (0, 1), the density is 0.

    Args:
        alpha: Distance of s from 0 and 1; below 1/2.

    Raises:
        ValueError: ``alpha`` is too large.
    """

    def __init__(self, alpha: Positive) -> None:
        super().__init__()
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha={alpha:g}: expected a number between 0 and 1/2")
        self.alpha = alpha

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        low, high = self._sides(x)
        # Clamped before the logarithm, masked after it: no gradient is NaN.
        tiny = torch.finfo(x.dtype).tiny
        log_low, log_high = low.clamp_min(tiny).log(), high.clamp_min(tiny).log()
        constant = x[0].numel() * math.log1p(-2 * self.alpha)
        log_det = constant - (log_low + log_high).flatten(1).sum(1)
        inside = ((low > 0) & (high > 0)).flatten(1).all(1)
        return log_low - log_high, log_det.where(inside, -torch.inf)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_slope = logsigmoid(z) + logsigmoid(-z)
        log_det = log_slope.flatten(1).sum(1) - z[0].numel() * math.log1p(-2 * self.alpha)
        return self.generate(z), log_det

    def generate(
        self, z: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *event"]:
        # From the nearer side, where the sigmoid keeps its digits.
        from_side = (torch.sigmoid(-z.abs()) - self.alpha) / (1 - 2 * self.alpha)
        return torch.where(z < 0, from_side, 1 - from_side)

    def _sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``s`` and ``1 - s``."""
        scale = 1 - 2 * self.alpha
        return self.alpha + scale * x, self.alpha + scale * (1 - x)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha:g}"
