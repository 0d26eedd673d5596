"""A bijection the other way round."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from genlab.bijections.bijection import Bijection

__all__ = ["Inverse"]


class Inverse(Bijection):
    """``f^{-1}`` as a bijection from data to latent.

    Args:
        bijection: ``f``.
    """

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *latent"], Float[Tensor, " n"]]:
        return self.bijection.inverse(x, context)

    def inverse(
        self, z: Float[Tensor, "n *latent"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        z, log_det = self.bijection(z, context)
        return z, log_det
