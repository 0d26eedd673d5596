"""Plane densities: a normal coordinate, and a second one that is normal about a function of it."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive
from genlab.targets.exact import ExactTarget

__all__ = ["Abs", "Banana", "Crescent", "Cubed", "Ridge", "Sign", "Sine"]

NARROW = math.exp(-1)
NARROWER = math.exp(-1.5)


class Ridge(ExactTarget):
    """``p(x) = N(x1; 0, width^2) N(x2; f(x1), noise^2)``; entropy ``log(2 pi e width noise)``.

    Args:
        noise: Standard deviation of ``x2`` about the ridge.
        width: Standard deviation of ``x1``.
        bound: Half the side of the square that figures show.
    """

    def __init__(self, *, noise: Positive, width: Positive = 1.0, bound: Positive) -> None:
        super().__init__()
        self.noise = noise
        self.width = width
        self.bound = bound
        self.entropy = math.log(2 * math.pi * math.e * width * noise)

    @abstractmethod
    def ridge(self, x1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """``f(x1)``, the mean of ``x2``."""

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        z = torch.randn(n, 2, generator=generator, device=self.device)
        x1 = self.width * z[:, 0]
        return torch.stack((x1, self.ridge(x1) + self.noise * z[:, 1]), 1)

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        z1 = x[:, 0] / self.width
        z2 = (x[:, 1] - self.ridge(x[:, 0])) / self.noise
        return -0.5 * (z1.square() + z2.square()) - math.log(2 * math.pi * self.width * self.noise)


class Crescent(Ridge):
    """``x2 ~ N(x1^2 / 2 - 1, noise^2)`` (Neural Spline Flows, Durkan 2019, with the axes swapped).

    References: arXiv:1906.04032.

    >>> import genlab
    >>> target = genlab.targets.Crescent(noise=0.1)
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of ``x2`` about the ridge.
    """

    def __init__(self, *, noise: Positive = NARROW) -> None:
        super().__init__(noise=noise, bound=6.0)

    def ridge(self, x1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return x1.square() / 2 - 1


class Cubed(Ridge):
    """``x2 ~ N(x1^3 / 5, noise^2)`` (Neural Spline Flows, Durkan 2019, with the axes swapped).

    References: arXiv:1906.04032.

    >>> import genlab
    >>> target = genlab.targets.Cubed()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of ``x2`` about the ridge.
    """

    def __init__(self, *, noise: Positive = 1.0) -> None:
        super().__init__(noise=noise, bound=7.0)

    def ridge(self, x1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return 0.2 * x1**3


class Sine(Ridge):
    """``x2 ~ N(sin(5 x1), noise^2)`` (Neural Spline Flows, Durkan et al. 2019).

    References: arXiv:1906.04032.

    >>> import genlab
    >>> target = genlab.targets.Sine(noise=0.1)
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of ``x2`` about the ridge.
    """

    def __init__(self, *, noise: Positive = NARROW) -> None:
        super().__init__(noise=noise, bound=4.0)

    def ridge(self, x1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return torch.sin(5 * x1)


class Abs(Ridge):
    """``x2 ~ N(|x1| - 1, noise^2)`` (Neural Spline Flows, Durkan et al. 2019).

    References: arXiv:1906.04032.

    >>> import genlab
    >>> target = genlab.targets.Abs(noise=0.1)
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of ``x2`` about the ridge.
    """

    def __init__(self, *, noise: Positive = NARROWER) -> None:
        super().__init__(noise=noise, bound=4.0)

    def ridge(self, x1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return x1.abs() - 1


class Sign(Ridge):
    """``x2 ~ N(sign(x1) + x1, noise^2)`` (Neural Spline Flows, Durkan et al. 2019).

    References: arXiv:1906.04032.

    >>> import genlab
    >>> target = genlab.targets.Sign(noise=0.1)
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of ``x2`` about the ridge.
    """

    def __init__(self, *, noise: Positive = NARROWER) -> None:
        super().__init__(noise=noise, bound=5.0)

    def ridge(self, x1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return x1.sign() + x1


class Banana(Ridge):
    """``x1 ~ N(0, width^2)``, ``x2 ~ N(curvature (x1^2 - width^2), 1)`` (Haario et al. 1999).

    References: doi:10.1007/s001800050022.

    >>> import genlab
    >>> target = genlab.targets.Banana()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        width: Standard deviation of ``x1``.
        curvature: How strongly the ridge bends.
    """

    def __init__(self, *, width: Positive = 2.0, curvature: float = 0.25) -> None:
        # All but 0.2 % of the mass: a square of a standard normal exceeds 10 that rarely.
        bend = abs(curvature) * width**2
        super().__init__(noise=1.0, width=width, bound=max(4 * width, math.hypot(4, 9 * bend)))
        self.curvature = curvature

    def ridge(self, x1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.curvature * (x1.square() - self.width**2)
