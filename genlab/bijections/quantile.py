"""A box to the whole space, by the quantile function of a distribution."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from genlab.bijections.bijection import Bijection
from genlab.bijections.unit_box import UnitBox

__all__ = ["Logit", "Probit", "Quantile"]


class Quantile(Bijection):
    """``z_i = Q(u_i)``: uniform coordinates in (0, 1) become independent draws of a distribution.

    With that distribution's density ``p_0``, ``log|det| = -sum log p_0(z_i)``. The distribution is
    symmetric: near 1 all is computed from ``1 - u``, so that it is as exact there as near 0. The
    ``u_i`` are kept away from both by the least that the number format can tell.

    Args:
        box: What brings the points of a box to the unit cube; None where they lie in it.
    """

    def __init__(self, box: UnitBox | None = None) -> None:
        super().__init__()
        self.box = box

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        if self.box is None:
            u = _open(x)
            rest, scale = 1 - u, u.new_zeros(())
        else:
            (u, rest), scale = self.box.sides(x), self.box.log_det(x)
        below = u < rest
        lower = self._lower_quantile(torch.where(below, u, rest))
        z = torch.where(below, lower, -lower)
        return z, scale - self._log_density(z).flatten(1).sum(1)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_det, below = self._log_density(z).flatten(1).sum(1), z < 0
        near = self._cdf(torch.where(below, z, -z))
        far = 1 - near
        u, rest = torch.where(below, near, far), torch.where(below, far, near)
        if self.box is None:
            return _open(u), log_det
        return self.box.between(u, rest), log_det + self.box.log_volume

    def initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *event"]:
        """Pass the data on.

        Raises:
            UserError: Some of them lie outside the box.
        """
        if self.box is not None:
            self.box.initialise(x)
        return self.forward(x)[0]

    @abstractmethod
    def _lower_quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The quantile function ``Q`` up to 1/2; beyond, it is ``-Q(1 - u)``."""

    @abstractmethod
    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The distribution function, the inverse of ``Q``."""

    @abstractmethod
    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The logarithm of the density ``p_0``."""


class Logit(Quantile):
    """``z = log(u / (1 - u))``, the quantile function of the logistic distribution."""

    def _lower_quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return u.logit()

    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return z.sigmoid()

    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return logsigmoid(z) + logsigmoid(-z)


class Probit(Quantile):
    """``z = Phi^{-1}(u)``, the quantile function of the normal distribution."""

    def _lower_quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        # There is none for half precision.
        z: Tensor = torch.special.ndtri(u.to(torch.promote_types(u.dtype, torch.float32)))
        return z.to(u.dtype)

    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        u: Tensor = torch.special.ndtr(z)
        return u

    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return -0.5 * (z.square() + math.log(2 * math.pi))


def _open(u: Tensor) -> Tensor:
    eps = torch.finfo(u.dtype).eps
    # Numbers are finer towards 0 than towards 1.
    return u.clamp(eps**2, 1 - eps / 2)
