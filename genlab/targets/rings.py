"""Mixtures of circles that are blurred by Gaussian noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive
from genlab.targets.exact import BlurredTarget

__all__ = ["Circles", "FourCircles", "RingMixture", "Rings"]


class RingMixture(BlurredTarget):
    """Circles of equal weight with Gaussian noise.

    Args:
        circles: Centre and radius of each circle, ``(x1, x2, R)``.
        noise: Standard deviation of the noise along each coordinate.
    """

    circles: Float[Tensor, "k 3"]

    def __init__(self, circles: Sequence[tuple[float, float, float]], *, noise: Positive) -> None:
        extent = max(max(abs(x1), abs(x2)) + radius for x1, x2, radius in circles)
        super().__init__(extent=extent, scale=noise)
        self.noise = noise
        self.terms = len(circles)
        self.register_buffer(
            "circles", torch.tensor(circles, dtype=torch.float64), persistent=False
        )

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        which = torch.randint(len(self.circles), (n,), generator=generator, device=self.device)
        circle = self.circles[which].float()
        angle = 2 * math.pi * torch.rand(n, generator=generator, device=self.device)
        direction = torch.stack((angle.cos(), angle.sin()), 1)
        noise = torch.randn(n, 2, generator=generator, device=self.device)
        return circle[:, :2] + circle[:, 2:] * direction + self.noise * noise

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        circles = self.circles.to(x)
        distance = torch.linalg.vector_norm(x[:, None] - circles[:, :2], dim=2)
        log_terms = _log_ring(distance, circles[:, 2], self.noise)
        return torch.logsumexp(log_terms, 1) - math.log(len(circles))


class Circles(RingMixture):
    """Two concentric circles (the toy of FFJORD, Grathwohl et al. 2019).

    They are scikit-learn's ``make_circles(factor=.5, noise=.08)``, three times as large.

    References: arXiv:1810.01367, arXiv:1201.0490 (scikit-learn).

    >>> import genlab
    >>> target = genlab.targets.Circles()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of the noise along each coordinate.
    """

    def __init__(self, *, noise: Positive = 0.24) -> None:
        super().__init__([(0.0, 0.0, 3.0), (0.0, 0.0, 1.5)], noise=noise)


class Rings(RingMixture):
    """Four concentric circles (the toy of FFJORD, Grathwohl et al. 2019).

    References: arXiv:1810.01367.

    >>> import genlab
    >>> target = genlab.targets.Rings()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of the noise along each coordinate.
    """

    def __init__(self, *, noise: Positive = 0.08) -> None:
        super().__init__([(0.0, 0.0, 0.75 * k) for k in range(1, 5)], noise=noise)


class FourCircles(RingMixture):
    """Four circles of radius 2 about ``(+-1, +-1)`` (Neural Spline Flows, Durkan et al. 2019).

    References: arXiv:1906.04032.

    >>> import genlab
    >>> target = genlab.targets.FourCircles()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of the noise along each coordinate.
    """

    def __init__(self, *, noise: Positive = 0.1) -> None:
        super().__init__([(i, j, 2.0) for i in (-1.0, 1.0) for j in (-1.0, 1.0)], noise=noise)


def _log_ring(
    distance: Float[Tensor, "n k"], radius: Float[Tensor, " k"], noise: float
) -> Float[Tensor, "n k"]:
    """Log-density of a circle plus Gaussian noise, at a distance from its centre.

    The angle integrates to a Bessel function,
    ``p(r) = exp(-(r - R)^2 / 2 s^2) i0e(r R / s^2) / (2 pi s^2)``, finite for every ``r``.
    """
    log_angles: Tensor = torch.special.i0e(distance * radius / noise**2).log()
    across = -(distance - radius).square() / (2 * noise**2)
    return across + log_angles - math.log(2 * math.pi * noise**2)
