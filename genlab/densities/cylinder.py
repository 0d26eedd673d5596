"""The base density of flows on circles, tori and cylinders."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.densities.parameterless import Parameterless

__all__ = ["Cylinder"]


class Cylinder(Parameterless):
    """Angles are uniform on ``[-pi, pi)``, the other coordinates ``N(0, 1)``; all independent.

    An angle stands for itself modulo ``2 pi``: the density is the same for all its values.

    Args:
        circular: Whether each coordinate is an angle.
    """

    angle: Bool[Tensor, " d"]

    def __init__(self, circular: Sequence[bool]) -> None:
        super().__init__((len(circular),))
        self.register_buffer("angle", torch.tensor(circular), persistent=False)
        angles = sum(circular)
        self.log_normaliser = (angles + (len(circular) - angles) / 2) * math.log(2 * math.pi)

    def _log_prob(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, " n"]:
        return x.masked_fill(self.angle, 0).square().sum(1) * -0.5 - self.log_normaliser

    def _sample(
        self, n: int, context: Float[Tensor, "n c"] | None, generator: torch.Generator | None
    ) -> Float[Tensor, "n d"]:
        normal = self.origin.new_empty(n, *self.event_shape).normal_(generator=generator)
        uniform = self.origin.new_empty(n, *self.event_shape).uniform_(generator=generator)
        return torch.where(self.angle, math.pi * (2 * uniform - 1), normal)
