"""A base density of bounded support."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.parameterless import Parameterless

__all__ = ["Uniform"]


class Uniform(Parameterless):
    """The uniform density on the cube ``[-sqrt 3, sqrt 3]^d``: mean 0 and variance 1.

    Args:
        event_shape: Shape of one sample.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)
        self.bound = math.sqrt(3)
        self.log_volume = math.prod(event_shape) * math.log(2 * self.bound)

    def _log_prob(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, " n"]:
        inside = (x.abs() <= self.bound).flatten(1).all(1)
        return torch.where(inside, -self.log_volume, -math.inf).to(x.dtype)

    def _sample(
        self, n: int, context: Float[Tensor, "n c"] | None, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        unit = torch.rand(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )
        return (2 * unit - 1) * self.bound
