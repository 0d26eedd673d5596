"""Two interleaved spirals."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive
from genlab.targets.blurred import BlurredTarget
from genlab.targets.quadrature import gauss_legendre

__all__ = ["TwoSpirals"]

END = 3 * math.pi
# Width of the uniform jitter that FFJORD adds to each coordinate: U(0, 1/2) / 3.
JITTER = 1 / 6
# Linear sums below this are near the underflow of float32: there the logarithm is summed.
THIN = 1e-25
# Beyond this the complementary error function is below 1e-33, and slow where it underflows.
FAR = 8.6


class TwoSpirals(BlurredTarget):
    """Two spirals of one and a half turns (the toy of FFJORD, Grathwohl et al. 2019).

    ``x = s (-m cos m + U1 / 2, m sin m + U2 / 2) / 3 + noise z`` with ``m = 3 pi sqrt(u)``,
    ``s = +-1``, ``u, U1, U2 ~ U(0, 1)`` (the jitter is one-sided) and ``z ~ N(0, I)``. What is
    added to a coordinate has the density ``G(v) = 6 [Phi(v / noise) - Phi((v - 1/6) / noise)]``, so
    ``p(x) = 1/2 sum_s int 2 m / (9 pi^2) G(s x1 + m cos(m) / 3) G(s x2 - m sin(m) / 3) dm``,
    by Gauss-Legendre quadrature over ``m`` from 0 to ``3 pi``, in a
    variable that spaces the nodes evenly along the curve.

    Args:
        noise: Standard deviation of the Gaussian noise along each coordinate.
    """

    curve: Float[Tensor, "k 2"]
    weights: Float[Tensor, " k"]

    def __init__(self, *, noise: Positive = 0.1) -> None:
        super().__init__(extent=END / 3 + JITTER, scale=noise)
        self.noise = noise
        m, weights = _nodes(max(240, math.ceil(240 * 0.1 / noise)))
        self.terms = 2 * len(m)
        self.register_buffer("curve", _curve(m), persistent=False)
        self.register_buffer("weights", weights * m / END**2, persistent=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        m = END * torch.rand(n, generator=generator, device=self.device).sqrt()
        jitter = JITTER * torch.rand(n, 2, generator=generator, device=self.device)
        sign = 2 * torch.randint(2, (n, 1), generator=generator, device=self.device) - 1
        noise = torch.randn(n, 2, generator=generator, device=self.device)
        return sign * (_curve(m) + jitter) + self.noise * noise

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        density = self._density(x)
        thin = density < THIN
        log_p = density.clamp(min=THIN).log()
        return log_p.masked_scatter(thin, self._log_density(x[thin]))

    def _offsets(self, x: Float[Tensor, "n 2"], unit: float) -> tuple[Tensor, Tensor]:
        """Distances of each coordinate from the middle of its jitter; the second spiral below."""
        middles = (self.curve.to(x) + JITTER / 2) / unit
        both = torch.cat((x, -x)) / unit
        return (both[:, :1] - middles[:, 0]).abs(), (both[:, 1:] - middles[:, 1]).abs()

    def _density(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        unit = math.sqrt(2) * self.noise
        half = JITTER / 2 / unit
        # Both in the upper tail, where the complement keeps its digits.
        first, second = (
            torch.erfc(offset - half) - torch.erfc(offset + half)
            for offset in (o.clamp(max=half + FAR) for o in self._offsets(x, unit))
        )
        weights = self.weights.to(x) / (2 * JITTER) ** 2
        return ((first * second) @ weights).view(2, -1).sum(0)

    def _log_density(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        half = JITTER / 2 / self.noise
        log_terms = self.weights.to(x).log() - 2 * math.log(JITTER)
        for offset in self._offsets(x, self.noise):
            near = torch.special.log_ndtr(half - offset)
            far = torch.special.log_ndtr(-half - offset)
            # The normal hazard rate exceeds its argument: true also where rounding hides the gap.
            gap = torch.minimum(far - near, 2 * half * (half - offset))
            log_terms = log_terms + near + torch.log1p(-gap.exp())
        return torch.logsumexp(torch.logsumexp(log_terms, 1).view(2, -1), 0)


def _curve(m: Float[Tensor, " k"]) -> Float[Tensor, "k 2"]:
    return torch.stack((-m * m.cos(), m * m.sin()), 1) / 3


def _nodes(nodes: int) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Nodes and weights for integrals over ``m`` from 0 to ``3 pi``.

    ``t = m^2 / 4 + m sqrt(1 + m^2 / 16)`` grows like the length of the curve, and is smooth at 0;
    its inverse is ``m = t / sqrt(1 + t / 2)``.
    """
    end = END**2 / 4 + END * math.sqrt(1 + END**2 / 16)
    t, weights = gauss_legendre(0.0, end, nodes)
    return t / (1 + t / 2).sqrt(), weights * (1 + t / 4) / (1 + t / 2) ** 1.5
