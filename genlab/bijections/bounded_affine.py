"""The scalar map of KRnet."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.scalar_map import ScalarMap

__all__ = ["BoundedAffine"]


class BoundedAffine(ScalarMap):
    """``z = x (1 + alpha tanh s) + exp(beta) tanh t``, with ``log g' = log(1 + alpha tanh s)``.

    The parameters are ``(s, t)``; ``beta``, one a coordinate, is trained with them. The scale lies
    within ``(1 - alpha, 1 + alpha)`` and the shift within ``exp(beta)``, wherever the network goes
    (Tang, Wan, Liao, "Deep density estimation via invertible block-triangular mapping", 2020).

    Args:
        dim: Number of mapped coordinates.
        alpha: How far the scale may be from 1; in (0, 1).
    """

    n_parameters = 2

    def __init__(self, dim: int, *, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        excess, shift = self._scale_and_shift(parameters)
        return torch.addcmul(x + shift, x, excess), excess.log1p()

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        excess, shift = self._scale_and_shift(parameters)
        return (z - shift) / (1 + excess), -excess.log1p()

    def _scale_and_shift(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """``alpha tanh s``, by which the scale exceeds 1, and ``exp(beta) tanh t``."""
        s, t = parameters.tanh().unbind(1)
        return s * self.alpha, t * self.beta.exp()

    def extra_repr(self) -> str:
        return f"alpha={self.alpha:g}"
