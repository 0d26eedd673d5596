"""The door of a density of angles: each is taken to its representative in one turn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.nn.angles import angle_mask, wrap
from genlab.nn.context import Context

__all__ = ["Wrap"]


class Wrap(Bijection):
    """``z_i = wrap(x_i)``, in ``[-pi, pi)``, for each angle; other coordinates pass.

    A bijection of the circle, whose points have many names: the log-determinant is 0.

    References: arXiv:2002.02428.

    >>> import genlab, torch
    >>> z, log_det = genlab.bijections.Wrap((2,), [1])(torch.tensor([[7.0, 7.0]]))
    >>> z
    tensor([[7.0000, 0.7168]])

    Args:
        event_shape: Shape of one sample.
        circular: Coordinates that are angles; those of arrays are counted row by row.
    """

    angle: Bool[Tensor, "*event"]

    def __init__(self, event_shape: tuple[int, ...], circular: Sequence[int]) -> None:
        super().__init__()
        self.event_shape = event_shape
        self.circular = tuple(circular)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        return {"angle": angle_mask(self.event_shape, self.circular)}

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return torch.where(self.angle, wrap(x), x), x.new_zeros(len(x))

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return self.forward(z)

    def extra_repr(self) -> str:
        return str(list(self.circular))
