"""Images as vectors."""

from __future__ import annotations

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
        places = torch.cartesian_prod(*map(torch.arange, event_shape)).view(-1, len(event_shape))
        super().__init__((places.sum(1) % 2).argsort(stable=True))
        self.event_shape = event_shape

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return super().forward(x.flatten(1))

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        x, log_det = super().inverse(z)
        return x.view(len(z), *self.event_shape), log_det
