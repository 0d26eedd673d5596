"""Images as vectors."""

from __future__ import annotations

from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.permutation import Permutation

__all__ = ["Flatten"]


class Flatten(Permutation):
    """``[n, *event]`` to ``[n, d]``, of log-determinant 0.

    The numbers at places of one colour of a checkerboard come first, then those of the other: what
    divides the vector in two halves gives each half a neighbour of every pixel of the other.

    Args:
        event_shape: Shape of one sample.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(torch.tensor(self.places(event_shape)))
        self.event_shape = event_shape

    @staticmethod
    def places(event_shape: tuple[int, ...]) -> list[int]:
        """The place of each coordinate of the vector in the array, counted row by row."""
        colours = [sum(index) % 2 for index in product(*map(range, event_shape))]
        return sorted(range(len(colours)), key=colours.__getitem__)

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return super().forward(x.flatten(1))

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        x, log_det = super().inverse(z)
        return x.view(len(z), *self.event_shape), log_det
