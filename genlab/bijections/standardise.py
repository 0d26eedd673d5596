"""Data to zero mean and unit variance, with the Jacobian counted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.bijection import Bijection

__all__ = ["Standardise", "mean_and_log_scale"]


class Standardise(Bijection):
    """``z = (x - mean) / scale`` with the statistics of a sample, fixed buffers.

    Args:
        event_shape: Shape of one sample.
        untouched: Coordinates that keep their units, such as angles; those of arrays are counted
            row by row.
    """

    mean: Float[Tensor, "*event"]
    log_scale: Float[Tensor, "*event"]

    def __init__(self, event_shape: tuple[int, ...], *, untouched: Sequence[int] = ()) -> None:
        super().__init__()
        self.untouched = list(untouched)
        self.register_buffer("mean", torch.zeros(event_shape))
        self.register_buffer("log_scale", torch.zeros(event_shape))

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        z = (x - self.mean) * (-self.log_scale).exp()
        return z, -self.log_scale.sum().expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        x = torch.addcmul(self.mean, z, self.log_scale.exp())
        return x, self.log_scale.sum().expand(len(z))

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *event"]:
        mean, log_scale = mean_and_log_scale(x)
        self.mean.copy_(mean)
        self.log_scale.copy_(log_scale)
        for units in (self.mean, self.log_scale):
            units.view(-1)[self.untouched] = 0
        return self.forward(x)[0]


def mean_and_log_scale(
    x: Float[Tensor, "n *event"],
) -> tuple[Float[Tensor, "*event"], Float[Tensor, "*event"]]:
    """Mean and log standard deviation of each coordinate; a constant one keeps its scale."""
    std, mean = torch.std_mean(x, dim=0, correction=0)
    return mean, torch.where(std > 0, std, torch.ones_like(std)).log()
