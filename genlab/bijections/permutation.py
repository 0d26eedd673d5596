"""A fixed reordering of the coordinates."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.bijections.bijection import Bijection

__all__ = ["Permutation"]


class Permutation(Bijection):
    """``z_i = x_{order_i}``, of log-determinant 0.

    Args:
        order: Each of ``0 .. d-1`` once.

    Raises:
        ValueError: ``order`` is not a permutation.
    """

    order: Int[Tensor, " d"]
    inverse_order: Int[Tensor, " d"]

    def __init__(self, order: Int[Tensor, " d"]) -> None:
        super().__init__()
        each = torch.arange(len(order), device=order.device)
        # On the meta device there are no numbers to look at.
        if not order.is_meta and not torch.equal(order.sort().values, each):
            raise ValueError(
                f"order: expected each of 0 .. {len(order) - 1} once, got {order.tolist()}"
            )
        self.register_buffer("order", order)
        self.register_buffer("inverse_order", order.argsort())

    @classmethod
    def random(cls, dim: int) -> Permutation:
        """A permutation drawn from torch's global generator."""
        return cls(torch.randperm(dim))

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        return x.index_select(1, self.order), x.new_zeros(len(x))

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        return z.index_select(1, self.inverse_order), z.new_zeros(len(z))
