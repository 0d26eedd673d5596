"""A bijection of the first coordinates that leaves the others alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.bijection import Bijection

__all__ = ["Freeze"]


class Freeze(Bijection):
    """``z = (f(x_1 .. x_k), x_{k+1} .. x_d)``, with the log-determinant of ``f``.

    The Jacobian is ``[[J_f, 0], [0, I]]``. What KRnet calls squeezing: maps with fewer and fewer
    active coordinates make up a block-triangular one (Tang, Wan, Liao, "Deep density estimation via
    invertible block-triangular mapping", 2020).

    Args:
        inner: The map ``f`` of the active coordinates.
        active: Their number ``k``; the coordinates behind them pass unchanged.
    """

    def __init__(self, inner: Bijection, active: int) -> None:
        super().__init__()
        self.inner = inner
        self.active = active

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        moving, frozen = self._split(x)
        z, log_det = self.inner(moving, context)
        return torch.cat((z, frozen), dim=1), log_det

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        moving, frozen = self._split(z)
        x, log_det = self.inner.inverse(moving, context)
        return torch.cat((x, frozen), dim=1), log_det

    def generate(
        self, z: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n d *pixels"]:
        moving, frozen = self._split(z)
        return torch.cat((self.inner.generate(moving, context), frozen), dim=1)

    def initialise(
        self, x: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n d *pixels"]:
        moving, frozen = self._split(x)
        return torch.cat((self.inner.initialise(moving, context), frozen), dim=1)

    def steps(self) -> list[Bijection]:
        return [Freeze(step, self.active) for step in self.inner.steps()]

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, : self.active], x[:, self.active :]

    def extra_repr(self) -> str:
        return f"active={self.active}"
