"""Targets of any dimension: a correlated Gaussian, and Neal's funnel."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Bound, Positive, PositiveInt
from genlab.targets.exact import ExactTarget

__all__ = ["Funnel", "Gaussian"]

Correlation = Annotated[float, Bound(-1.0, 1.0, open_low=True, open_high=True)]


class Gaussian(ExactTarget):
    """``N(0, S)`` with unit variances and ``S_ij = correlation^|i - j|``: a stationary AR(1) chain.

    Its innovations ``e_1 = x_1``, ``e_i = (x_i - correlation x_{i-1}) / sqrt(1 - correlation^2)``
    are independent and standard normal, so that no matrix is needed in any dimension. Its entropy
    is ``d/2 log(2 pi e) + (d - 1)/2 log(1 - correlation^2)``.

    Args:
        dim: Number of coordinates.
        correlation: Correlation of neighbouring coordinates.
    """

    def __init__(self, dim: PositiveInt, *, correlation: Correlation = 0.8) -> None:
        super().__init__()
        self.event_shape = (dim,)
        self.terms = dim
        self.correlation = correlation
        self.innovation = math.sqrt(1 - correlation**2)
        self._log_normaliser = 0.5 * dim * math.log(2 * math.pi) + (dim - 1) * math.log(
            self.innovation
        )
        self.entropy = self._log_normaliser + 0.5 * dim

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        e = torch.randn(n, *self.event_shape, generator=generator, device=self.device)
        x = [e[:, 0]]
        for innovation in e.unbind(1)[1:]:
            x.append(self.correlation * x[-1] + self.innovation * innovation)
        return torch.stack(x, 1)

    def _log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        e = (x[:, 1:] - self.correlation * x[:, :-1]) / self.innovation
        return -0.5 * (x[:, 0].square() + e.square().sum(1)) - self._log_normaliser


class Funnel(ExactTarget):
    """``v ~ N(0, scale^2)`` and, given it, ``x_i ~ N(0, e^v)`` independent (Neal 2003).

    The first coordinate is ``v``. The mean of ``v`` is 0, so the entropy is that of a standard
    normal plus ``log scale``.

    Args:
        dim: Number of coordinates, ``v`` included.
        scale: Standard deviation of ``v``.
    """

    bound = 12.0

    def __init__(self, dim: Annotated[int, Bound(2.0)], *, scale: Positive = 3.0) -> None:
        super().__init__()
        self.event_shape = (dim,)
        self.terms = dim
        self.scale = scale
        self.entropy = 0.5 * dim * math.log(2 * math.pi * math.e) + math.log(scale)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        z = torch.randn(n, *self.event_shape, generator=generator, device=self.device)
        v = self.scale * z[:, :1]
        return torch.cat((v, (v / 2).exp() * z[:, 1:]), 1)

    def _log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        v, rest = x[:, :1], x[:, 1:]
        # 0 stays 0 however narrow the funnel is, where the exponential overflows.
        z = rest * torch.where(rest == 0, 0, -v / 2).exp()
        square = (v[:, 0] / self.scale).square() + z.square().sum(1)
        log_width = math.log(self.scale) + 0.5 * rest.shape[1] * v[:, 0]
        return -0.5 * (square + x.shape[1] * math.log(2 * math.pi)) - log_width
