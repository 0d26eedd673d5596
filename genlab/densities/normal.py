"""The base density of the flows."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.parameterless import Parameterless

__all__ = ["StandardNormal"]


class StandardNormal(Parameterless):
    """``N(0, I)`` on arrays of shape ``event_shape``.

    Args:
        event_shape: Shape of one sample.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)
        self.log_normaliser = 0.5 * math.prod(event_shape) * math.log(2 * math.pi)

    def _log_prob(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, " n"]:
        x = x.flatten(1)
        squared_norm: Tensor = torch.linalg.vecdot(x, x)
        return squared_norm * -0.5 - self.log_normaliser

    def _sample(
        self, n: int, context: Float[Tensor, "n c"] | None, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        return torch.randn(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )
