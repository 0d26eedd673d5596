"""Targets of any dimension: a correlated Gaussian, and Neal's funnel."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Bound, Positive, PositiveInt
from genlab.targets.exact import BlurredTarget, ExactTarget
from genlab.targets.quadrature import gauss_legendre, log_round_mixture

__all__ = ["Diamond", "EightGaussians", "Funnel", "Gaussian"]


Correlation = Annotated[float, Bound(-1.0, 1.0, open_low=True, open_high=True)]


class Gaussian(ExactTarget):
    """``N(0, S)`` with unit variances and ``S_ij = correlation^|i - j|``: a stationary AR(1) chain.

    Its innovations ``e_1 = x_1``, ``e_i = (x_i - correlation x_{i-1}) / sqrt(1 - correlation^2)``
    are independent and standard normal, so that no matrix is needed in any dimension. Its entropy
    is ``d/2 log(2 pi e) + (d - 1)/2 log(1 - correlation^2)``.

    >>> import genlab
    >>> target = genlab.targets.Gaussian(3, correlation=0.5)
    >>> target.log_prob(target.sample(5)).shape, round(target.entropy, 3)
    (torch.Size([5]), 3.969)

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

    References: doi:10.1214/aos/1056562461.

    >>> import genlab
    >>> target = genlab.targets.Funnel(3)
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

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


class EightGaussians(BlurredTarget):
    """Eight equal Gaussians on a circle (the toy of FFJORD, Grathwohl et al. 2019).

    ``p(x) = 1/8 sum_k N(x; radius e_k, std^2 I)`` with ``e_k`` at the multiples of 45 degrees.

    References: arXiv:1810.01367.

    >>> import genlab
    >>> target = genlab.targets.EightGaussians()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        radius: Distance of the centres from the origin.
        std: Standard deviation of each Gaussian.
    """

    terms = 8
    centres: Float[Tensor, "8 2"]

    def __init__(self, *, radius: Positive = 4 / 1.414, std: Positive = 0.5 / 1.414) -> None:
        super().__init__(extent=radius, scale=std)
        self.std = std
        angles = torch.arange(8, dtype=torch.float64) * math.pi / 4
        centres = radius * torch.stack((angles.cos(), angles.sin()), 1)
        self.register_buffer("centres", centres, persistent=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        which = torch.randint(8, (n,), generator=generator, device=self.device)
        noise = torch.randn(n, 2, generator=generator, device=self.device)
        return self.centres[which].float() + self.std * noise

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        log_weights = torch.full((8,), -math.log(8), dtype=torch.float64)
        return log_round_mixture(x, self.centres, log_weights, self.std)


class Diamond(ExactTarget):
    """A square lattice of Gaussians, turned by 45 degrees (as in Neural Spline Flows, Durkan 2019).

    Along the two diagonals the coordinates are independent, each a mixture on the line of equal
    Gaussians about ``linspace(-width, width, modes)``.

    References: arXiv:1906.04032.

    >>> import genlab
    >>> target = genlab.targets.Diamond()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        modes: Number of Gaussians along a side.
        width: Half the side of the lattice.
        std: Standard deviation of each Gaussian.
    """

    centres: Float[Tensor, "k 1"]

    def __init__(
        self, *, modes: PositiveInt = 20, width: Positive = 2.5, std: Positive = 0.04
    ) -> None:
        super().__init__()
        self.modes = modes
        self.width = width
        self.std = std
        self.terms = modes
        self.bound = math.sqrt(2) * width + 4 * std
        centres = torch.linspace(-width, width, modes, dtype=torch.float64)[:, None]
        self.register_buffer("centres", centres, persistent=False)

    @cached_property
    def entropy(self) -> float:  # type: ignore[override]
        """Twice the entropy along one diagonal, by quadrature on the line."""
        end = self.width + 8 * self.std
        points, weights = gauss_legendre(-end, end, math.ceil(8 * end / self.std))
        return 2 * float(weights @ torch.special.entr(self._log_prob_line(points).exp()))

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        which = torch.randint(self.modes, (n, 2), generator=generator, device=self.device)
        noise = torch.randn(n, 2, generator=generator, device=self.device)
        return _turn(self.centres[which, 0].float() + self.std * noise)

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        u = _turn(x)
        return self._log_prob_line(u[:, 0]) + self._log_prob_line(u[:, 1])

    def _log_prob_line(self, u: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        log_weights = torch.full((self.modes,), -math.log(self.modes), dtype=torch.float64)
        return log_round_mixture(u[:, None], self.centres, log_weights, self.std)


def _turn(x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Turn by 45 degrees and mirror, which is its own inverse."""
    return torch.stack((x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]), 1) / math.sqrt(2)
