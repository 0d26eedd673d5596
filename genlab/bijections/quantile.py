"""The unit cube to the whole space, by the quantile function of a distribution."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from genlab.bijections.bijection import Bijection

__all__ = ["Logit", "Probit", "Quantile"]


class Quantile(Bijection):
    """``z_i = Q(u_i)``: uniform coordinates in (0, 1) become independent draws of a distribution.

    With that distribution's density ``p_0``, ``log|det| = -sum log p_0(z_i)``. The ``u_i`` are kept
    away from 0 and 1 by the least that the number format can tell.
    """

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        z = self._quantile(_open(x))
        return z, -self._log_density(z).flatten(1).sum(1)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return _open(self._cdf(z)), self._log_density(z).flatten(1).sum(1)

    @abstractmethod
    def _quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The quantile function ``Q``."""

    @abstractmethod
    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The distribution function, the inverse of ``Q``."""

    @abstractmethod
    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The logarithm of the density ``p_0``."""


class Logit(Quantile):
    """``z = log(u / (1 - u))``, the quantile function of the logistic distribution."""

    def _quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return u.logit()

    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return z.sigmoid()

    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return logsigmoid(z) + logsigmoid(-z)


class Probit(Quantile):
    """``z = Phi^{-1}(u)``, the quantile function of the normal distribution."""

    def _quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
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
