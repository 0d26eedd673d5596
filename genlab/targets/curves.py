"""Curves that are blurred by Gaussian noise: moons and the Swiss roll."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.bounds import Positive
from genlab.targets.exact import BlurredTarget
from genlab.targets.quadrature import gauss_legendre, log_round_mixture

__all__ = ["Moons", "NoisyCurves", "SwissRoll", "TwoSpirals"]


class NoisyCurves(BlurredTarget):
    """Points at uniform parameters of curves of equal weight, plus Gaussian noise.

    ``p(x) = mean over curves of int_0^1 N(x; c(u), noise^2 I) du``, by Gauss-Legendre quadrature
    in ``u``: a mixture of as many Gaussians as nodes, so dense that the error is rounding.

    Args:
        noise: Standard deviation of the noise along each coordinate.
        curves: Number of curves.
        nodes: Number of nodes along each.
    """

    centres: Float[Tensor, "k 2"]
    log_weights: Float[Tensor, " k"]

    def __init__(self, *, noise: Positive, curves: int, nodes: int) -> None:
        u, weights = gauss_legendre(0.0, 1.0, nodes)
        centres = torch.cat([self.curve(torch.tensor(k), u) for k in range(curves)])
        super().__init__(extent=float(centres.abs().max()), scale=noise)
        self.noise = noise
        self.curves = curves
        self.terms = len(centres)
        self.register_buffer("centres", centres, persistent=False)
        log_weights = (weights / curves).log().repeat(curves)
        self.register_buffer("log_weights", log_weights, persistent=False)

    @abstractmethod
    def curve(self, which: Int[Tensor, "*n"], u: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        """Points of the curves ``which`` (0, 1, ...) at the parameters ``u`` in [0, 1]."""

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        which = torch.randint(self.curves, (n,), generator=generator, device=self.device)
        u = torch.rand(n, generator=generator, device=self.device)
        noise = torch.randn(n, 2, generator=generator, device=self.device)
        return self.curve(which, u) + self.noise * noise

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return log_round_mixture(x, self.centres, self.log_weights, self.noise)


class Moons(NoisyCurves):
    """Two half-moons (the toy of FFJORD, Grathwohl et al. 2019).

    They are scikit-learn's ``make_moons(noise=.1)`` under ``2 x + (-1, -.2)``: the arcs
    ``(2 cos t - 1, 2 sin t - .2)`` and ``(1 - 2 cos t, .8 - 2 sin t)``, ``t ~ U(0, pi)``.

    References: arXiv:1810.01367, arXiv:1201.0490 (scikit-learn).

    >>> import genlab
    >>> target = genlab.targets.Moons()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of the noise along each coordinate.
        scale: Radius of the arcs; all of them grows with it but the noise.
    """

    def __init__(self, *, noise: Positive = 0.2, scale: Positive = 2.0) -> None:
        self.radius = scale
        nodes = math.ceil(64 * 0.2 / noise * scale / 2)
        super().__init__(noise=noise, curves=2, nodes=max(64, nodes))

    def curve(self, which: Int[Tensor, "*n"], u: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        t = math.pi * u
        sign = 1 - 2 * which
        unit = torch.stack((sign * (t.cos() - 0.5), sign * (t.sin() - 0.25) + 0.15), 1)
        return self.radius * unit


class SwissRoll(NoisyCurves):
    """A spiral of one and a half turns (the toy of FFJORD, Grathwohl et al. 2019).

    It is scikit-learn's ``make_swiss_roll(noise=1)`` seen along its axis, a fifth as large:
    ``(t cos t, t sin t) / 5`` with ``t = 1.5 pi (1 + 2 u)``, ``u ~ U(0, 1)``.

    References: arXiv:1810.01367, arXiv:1201.0490 (scikit-learn).

    >>> import genlab
    >>> target = genlab.targets.SwissRoll()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        noise: Standard deviation of the noise along each coordinate.
    """

    def __init__(self, *, noise: Positive = 0.2) -> None:
        super().__init__(noise=noise, curves=1, nodes=max(200, math.ceil(200 * 0.2 / noise)))

    def curve(self, which: Int[Tensor, "*n"], u: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        t = 1.5 * math.pi * (1 + 2 * u)
        return torch.stack((t * t.cos(), t * t.sin()), 1) / 5


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

    References: arXiv:1810.01367.

    >>> import genlab
    >>> target = genlab.targets.TwoSpirals()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

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
