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
        event_shape: Shape of one sample.
        is_angle: Whether each coordinate is an angle, an array's row by row.
    """

    angle: Bool[Tensor, "*event"]

    def __init__(self, event_shape: tuple[int, ...], is_angle: Sequence[bool]) -> None:
        # Before the constants are made, which need it.
        self.is_angle = tuple(is_angle)
        super().__init__(event_shape)
        angles = sum(is_angle)
        self.log_normaliser = (angles + (len(is_angle) - angles) / 2) * math.log(2 * math.pi)

    def constant_tensors(self) -> dict[str, Tensor]:
        angle = torch.tensor(self.is_angle).view(self.event_shape)
        return super().constant_tensors() | {"angle": angle}

    def _log_prob(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, " n"]:
        squares = x.masked_fill(self.angle, 0).square()
        return squares.flatten(1).sum(1) * -0.5 - self.log_normaliser

    def _sample(
        self, n: int, context: Float[Tensor, "n c"] | None, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        normal = self.origin.new_empty(n, *self.event_shape).normal_(generator=generator)
        uniform = self.origin.new_empty(n, *self.event_shape).uniform_(generator=generator)
        return torch.where(self.angle, math.pi * (2 * uniform - 1), normal)
