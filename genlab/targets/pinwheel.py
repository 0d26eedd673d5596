"""The pinwheel: Gaussian arms that wind up with their radius."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from genlab.bounds import NonNegative, Positive, PositiveInt
from genlab.targets.exact import ExactTarget
from genlab.targets.quadrature import gauss_legendre

__all__ = ["Pinwheel"]

BISECTIONS = 40
ANGLES = 512
ENTROPY_NODES = 128
# Below this slope two roots merge: the density has an integrable pole there, which stays finite.
SMALLEST_SLOPE = 1e-6


class _Roots(NamedTuple):
    """Angles that lead to the rows of a batch, several to a row."""

    row: Int[Tensor, " m"]
    angle: Float[Tensor, " m"]
    level: Float[Tensor, " m"]
    sign: Float[Tensor, " m"]


class Pinwheel(ExactTarget):
    """Arms of Gaussian cross-section, each turned by an angle that grows with the radius.

    The toy of FFJORD (Grathwohl et al. 2019), after Johnson et al. 2016: ``f0 ~ N(1, radial^2)``,
    ``f1 ~ N(0, tangential^2)``, ``theta_k = 2 pi k / arms + rate e^{f0}`` with ``k`` uniform, and
    ``x = 2 (f0 cos theta_k + f1 sin theta_k, -f0 sin theta_k + f1 cos theta_k)``.

    With ``(f0, f1) = rho (cos phi, sin phi)`` and ``x = 2 rho (cos alpha, sin alpha)`` this map
    keeps the radius and sends ``phi`` to ``alpha = phi - theta_k``. So the density sums over
    all roots of ``h(phi) = phi - rate e^{rho cos phi} - alpha = 2 pi j / arms``, ``j`` an integer:
    ``p(x) = 1 / (4 arms) sum_roots N(f0; 1, radial^2) N(f1; 0, tangential^2) / |h'(phi)|``.
    ``h'`` vanishes twice at most, so ``h`` has at most three monotone pieces, and the roots of each
    are counted by its end values and bracketed by its ends: none is missed.

    Where the arms wind so fast that hundreds of roots would count, or beyond 16 standard
    deviations, the sum over roots is replaced by its mean over ``alpha``.

    References: arXiv:1810.01367, arXiv:1603.06277.

    >>> import genlab
    >>> target = genlab.targets.Pinwheel()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        arms: Number of arms.
        radial: Standard deviation along an arm.
        tangential: Standard deviation across an arm.
        rate: How fast the arms turn with the radius.
    """

    terms = 64

    def __init__(
        self,
        *,
        arms: PositiveInt = 5,
        radial: Positive = 0.3,
        tangential: Positive = 0.1,
        rate: NonNegative = 0.25,
    ) -> None:
        super().__init__()
        self.arms = arms
        self.radial = radial
        self.tangential = tangential
        self.rate = rate
        self.bound = 2 * (1 + 4 * radial)

    @cached_property
    def entropy(self) -> float:  # type: ignore[override]
        """Differential entropy in nats, by quadrature of ``-log p`` over ``(f0, f1)``."""
        z, weights = gauss_legendre(-8.0, 8.0, ENTROPY_NODES)
        weights = weights * (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
        noise = torch.cartesian_prod(z, z)
        log_p = self.log_prob(self._place(torch.zeros(()), noise))
        return -float(torch.outer(weights, weights).reshape(-1) @ log_p)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        arm = torch.randint(self.arms, (n,), generator=generator, device=self.device)
        return self._place(arm, torch.randn(n, 2, generator=generator, device=self.device))

    def _place(self, arm: Num[Tensor, "*#n"], noise: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """The point of an arm that standard normal noise leads to."""
        f0, f1 = 1 + self.radial * noise[:, 0], self.tangential * noise[:, 1]
        theta = 2 * math.pi * arm / self.arms + self.rate * f0.exp()
        cos, sin = theta.cos(), theta.sin()
        return 2 * torch.stack((f0 * cos + f1 * sin, f1 * cos - f0 * sin), 1)

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        points = x.double() / 2
        rho = torch.linalg.vector_norm(points, dim=1)
        alpha = torch.atan2(points[:, 1], points[:, 0])
        wound = self._wound(rho.detach())
        log_p = torch.empty_like(rho)
        log_p = log_p.masked_scatter(wound, self._log_mean(rho[wound]))
        log_p = log_p.masked_scatter(~wound, self._log_sum(rho[~wound], alpha[~wound]))
        return (log_p - math.log(4)).to(x)

    def _wound(self, rho: Float[Tensor, " n"]) -> Tensor:
        """Whether the sum over roots is replaced by its mean over the angle."""
        far = 1 + 16 * max(self.radial, self.tangential)
        roots = self.arms / math.pi * self.rate * rho.clamp(max=far).exp()
        turns_within_arm = roots * self.tangential**2 / (2 * rho)
        return (rho > far) | ((turns_within_arm > 1) & (roots > 256))

    def _log_polar(
        self, rho: Float[Tensor, "*#m"], angle: Float[Tensor, "*#m"]
    ) -> Float[Tensor, "*#m"]:
        """``log N(f0; 1, radial^2) N(f1; 0, tangential^2)``, ``(f0, f1)`` in polar coordinates."""
        f0, f1 = rho * angle.cos(), rho * angle.sin()
        square = ((f0 - 1) / self.radial).square() + (f1 / self.tangential).square()
        return -0.5 * square - math.log(2 * math.pi * self.radial * self.tangential)

    def _log_mean(self, rho: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        angle = 2 * math.pi / ANGLES * torch.arange(ANGLES).to(rho)
        return torch.logsumexp(self._log_polar(rho[:, None], angle), 1) - math.log(ANGLES)

    def _log_sum(self, rho: Float[Tensor, " n"], alpha: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        with torch.no_grad():
            roots = self._roots(rho, alpha)
        rho_at, alpha_at = rho[roots.row], alpha[roots.row]
        # One more step of Newton's method carries the gradients of the root.
        slope = self._slope(rho_at, roots.angle, roots.sign).detach()
        offset = self._height(rho_at, roots.angle, alpha_at) - roots.level
        angle = roots.angle - offset * (2 * math.pi / self.arms) / (roots.sign * slope)
        log_terms = self._log_polar(rho_at, angle) - self._slope(rho_at, angle, roots.sign).log()
        largest = torch.full_like(rho, -math.inf).detach()
        largest = largest.scatter_reduce(0, roots.row, log_terms.detach(), "amax")
        total = torch.zeros_like(rho).index_add(
            0, roots.row, (log_terms - largest[roots.row]).exp()
        )
        return total.log() + largest - math.log(self.arms)

    def _height(
        self, rho: Float[Tensor, "*#m"], angle: Float[Tensor, "*#m"], alpha: Float[Tensor, "*#m"]
    ) -> Float[Tensor, "*#m"]:
        """``h`` in units of ``2 pi / arms``, so that the roots are where it is an integer."""
        h = angle - self.rate * (rho * angle.cos()).exp() - alpha
        return h * (self.arms / (2 * math.pi))

    def _slope(
        self, rho: Float[Tensor, " m"], angle: Float[Tensor, " m"], sign: Float[Tensor, " m"]
    ) -> Float[Tensor, " m"]:
        """``|h'|`` on a piece where ``h'`` has the given sign."""
        slope = 1 + self.rate * (rho * angle.cos()).exp() * rho * angle.sin()
        return (sign * slope).clamp(min=SMALLEST_SLOPE)

    def _roots(self, rho: Float[Tensor, " n"], alpha: Float[Tensor, " n"]) -> _Roots:
        first, second = self._turning_points(rho)
        ends = torch.stack((torch.full_like(rho, -math.pi), first, second), 1)
        ends = torch.cat((ends, torch.full_like(ends[:, :1], math.pi)), 1)
        height = self._height(rho[:, None], ends, alpha[:, None])
        # A root on the border of two pieces belongs to the piece that begins there.
        up, down = height.ceil(), height.floor()
        lowest = torch.stack((up[:, 0], down[:, 2] + 1, up[:, 2]), 1)
        count = torch.stack((up[:, 1] - up[:, 0], down[:, 1] - down[:, 2], up[:, 3] - up[:, 2]), 1)
        count = count.clamp(min=0).long().reshape(-1)

        piece = torch.repeat_interleave(torch.arange(count.numel(), device=rho.device), count)
        number = torch.arange(len(piece), device=rho.device) - (count.cumsum(0) - count)[piece]
        level = lowest.reshape(-1)[piece] + number
        sign = 1 - 2 * (piece % 3 == 1).to(rho)
        low, high = ends[:, :-1].reshape(-1)[piece], ends[:, 1:].reshape(-1)[piece]
        row = piece // 3
        rho, alpha = rho[row], alpha[row]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = sign * (self._height(rho, middle, alpha) - level) < 0
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return _Roots(row, (low + high) / 2, level, sign)

    def _turning_points(
        self, rho: Float[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """The two zeros of ``h'`` in ``(-pi, 0)``; where there are none, one point twice.

        ``h' = 1 - e^F`` with ``F(t) = log rate + rho cos t + log(rho sin t)``, ``t = -phi``: it
        rises up to ``cos t = rho sin^2 t`` and falls from there.
        """
        cos_top = 2 * rho / (1 + (1 + 4 * rho.square()).sqrt())
        top = cos_top.acos()
        left = (torch.zeros_like(top), top)
        right = (torch.full_like(top, math.pi), top)
        for _ in range(BISECTIONS):
            left, right = self._halve(rho, *left), self._halve(rho, *right)
        folded = self._steepness(rho, top) > 1
        return (
            torch.where(folded, -right[1], -top),
            torch.where(folded, -left[1], -top),
        )

    def _halve(
        self, rho: Float[Tensor, " n"], outer: Float[Tensor, " n"], inner: Float[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        middle = (outer + inner) / 2
        steep = self._steepness(rho, middle) > 1
        return torch.where(steep, outer, middle), torch.where(steep, middle, inner)

    def _steepness(self, rho: Float[Tensor, " n"], t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.rate * rho * t.sin() * (rho * t.cos()).exp()
