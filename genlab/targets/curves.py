"""Curves that are blurred by Gaussian noise: moons and the Swiss roll."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.bounds import Positive
from genlab.targets.blurred import BlurredTarget
from genlab.targets.gaussian_mixture import log_round_mixture
from genlab.targets.quadrature import gauss_legendre

__all__ = ["Moons", "NoisyCurves", "SwissRoll"]


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

    Args:
        noise: Standard deviation of the noise along each coordinate.
    """

    def __init__(self, *, noise: Positive = 0.2) -> None:
        super().__init__(noise=noise, curves=1, nodes=max(200, math.ceil(200 * 0.2 / noise)))

    def curve(self, which: Int[Tensor, "*n"], u: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        t = 1.5 * math.pi * (1 + 2 * u)
        return torch.stack((t * t.cos(), t * t.sin()), 1) / 5
