"""Rational-quadratic splines: monotone, smooth, and inverted in closed form."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.scalar_map import ScalarMap
from genlab.nn.angles import wrap
from genlab.nn.constants import Constants
from genlab.nn.precision import full_precision

__all__ = ["CircularSpline", "RationalQuadratic", "Spline"]


class Spline(Constants):
    """``S: [-c, c] -> [-c, c]`` through K + 1 knots, a ratio of quadratics on each of the K bins.

    Let ``x_k, y_k, d_k > 0`` be the position, value and derivative at knot k, ``w, h`` the width
    and height of its bin, ``s = h / w``, ``t = (x - x_k) / w`` and ``u = 1 - t``. Then, with
    ``e_0 = t + u d_k / s`` and ``e_1 = u + t d_{k+1} / s``,

        ``S(x)  = y_k + h t e_0 / (t e_0 + u e_1)``
        ``S'(x) = s (u e_0 + t e_1) / (t e_0 + u e_1)^2``.

    These are equations 4 and 5 of Durkan, Bekasov, Murray, Papamakarios, "Neural spline flows"
    (2019), divided by s: sums of positive terms, in which nothing cancels. The inverse solves
    ``t e_0 : u e_1 = r : 1 - r`` with ``r = (y - y_k) / h``, a quadratic equation in ``t / u``.

    Everything is kept bins first, so that each operation runs along all points at once; one matrix
    product gives all knots. Parameters that are all zero give the identity.

    References: arXiv:1906.04032; Gregory, Delbourgo, "Piecewise rational quadratic interpolation to
    monotonic data", 1982, doi:10.1093/imanum/2.2.123.

    >>> import genlab, torch
    >>> spline = genlab.bijections.RationalQuadratic(bins=4, bound=3.0)
    >>> z, log_slope = spline(torch.rand(5, 2), torch.zeros(5, spline.n_parameters, 2))
    >>> bool(log_slope.abs().max() < 1e-5)
    True

    Args:
        bins: Number of bins ``K``.
        bound: Half the length ``c`` of the interval.
        min_size: Smallest width and height of a bin, as a part of the interval.
        min_slope: Smallest derivative at a knot.

    Raises:
        ValueError: So many bins of the smallest size do not fit.
    """

    lowest: Float[Tensor, "knots 1"]
    sums: Float[Tensor, "knots bins"]

    def __init__(
        self, *, bins: int, bound: float, min_size: float = 1e-3, min_slope: float = 1e-3
    ) -> None:
        super().__init__()
        if bins * min_size >= 1:
            raise ValueError(f"bins: expected fewer than {1 / min_size:g}, got {bins}")
        self.bins = bins
        self.bound = bound
        self.min_size = min_size
        self.min_slope = min_slope
        # A softplus of this sharpness is 1 - min_slope at 0.
        self.sharpness = math.log(2) / (1 - min_slope)
        # Knots are unit * lowest + free * sums @ shares. In units of the smallest bin, the lowest
        # places are whole numbers, the same in every precision; the ends depend on no share.
        self.unit = 2 * bound * min_size
        self.free = 2 * bound * (1 - bins * min_size)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        lowest = torch.arange(self.bins + 1.0) - 0.5 / self.min_size
        lowest[-1] = 0.5 / self.min_size
        sums = torch.ones(self.bins + 1, self.bins).tril(-1)
        sums[-1] = 0
        return {"lowest": lowest[:, None], "sums": sums}

    def forward(
        self,
        x: Float[Tensor, "*shape"],
        sizes: Float[Tensor, "two_bins *shape"],
        slopes: Float[Tensor, "knots *shape"],
        *,
        inverse: bool = False,
    ) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """``S(x)`` and ``log S'(x)``, or ``S^{-1}(x)`` and ``log (S^{-1})'(x)``.

        Args:
            x: Points of ``[-c, c]``.
            sizes: Logits of the shares of width and height, in turn for each bin.
            slopes: What the derivatives at all knots are computed from; 0 gives 1.
            inverse: Apply the inverse.
        """
        (x_k, y_k), (w, h), derivatives = self._bin_of(x, sizes, slopes, axis=int(inverse))
        s = h / w
        d, d_next = (derivatives / s).unbind()
        t = _solve((x - y_k) / h, d, d_next) if inverse else (x - x_k) / w
        u = 1 - t
        e_0, e_1 = t + u * d, u + t * d_next
        numerator = t * e_0
        reciprocal = (numerator + u * e_1).reciprocal()
        log_slope = (s * (u * e_0 + t * e_1) * (reciprocal * reciprocal)).log()
        if inverse:
            return x_k + w * t, -log_slope
        return y_k + h * (numerator * reciprocal), log_slope

    def _bin_of(
        self, x: Tensor, sizes: Tensor, slopes: Tensor, *, axis: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Lower corner, size and end derivatives of each point's bin, each ``[2, *shape]``."""
        knots = self._knots(sizes.unflatten(0, (self.bins, 2)))
        k = (x >= knots[1:-1, axis]).sum(0)
        ends = torch.stack((k, k + 1))
        low, high = knots.gather(0, ends.unsqueeze(1).expand(2, 2, *x.shape)).unbind()
        d = F.softplus(slopes.gather(0, ends), beta=self.sharpness) + self.min_slope
        return low, high - low, d

    @full_precision
    def _knots(self, logits: Float[Tensor, "bins 2 *shape"]) -> Float[Tensor, "knots 2 *shape"]:
        # Half precision would merge neighbouring knots.
        shares = torch.softmax(logits.flatten(1).to(self.sums.dtype), 0)
        knots = torch.addmm(self.lowest, self.sums, shares, beta=self.unit, alpha=self.free)
        return knots.view(self.bins + 1, *logits.shape[1:])

    def extra_repr(self) -> str:
        return f"bins={self.bins}, bound={self.bound:g}"


def _solve(r: Tensor, d: Tensor, d_next: Tensor) -> Tensor:
    """The root ``t`` of ``(1 - r) t (t + d u) = r u (u + d_next t)`` in [0, 1]."""
    rest = 1 - r
    b = rest * d - r * d_next
    early = b >= 0
    # Of the two forms of the root, the one that does not subtract.
    q = torch.where(early, b, -b) + (b.square() + 4 * r * rest).sqrt()
    t: Tensor = torch.where(early, 2 * r, q) / (q + 2 * torch.where(early, r, rest))
    return t


class RationalQuadratic(ScalarMap):
    """A rational-quadratic spline on ``[-c, c]``, the identity outside.

    ``z = S(x)`` with ``S(+-c) = +-c`` and ``S'(+-c) = 1``, so that the tails of slope 1 continue it
    smoothly (Durkan, Bekasov, Murray, Papamakarios, "Neural spline flows", 2019). Both directions
    cost the same. There are ``3 bins - 1`` parameters: widths and heights in turn, then the
    derivatives at the inner knots.

    References: arXiv:1906.04032.

    >>> import genlab, torch
    >>> spline = genlab.bijections.RationalQuadratic(bins=4, bound=3.0)
    >>> z, log_slope = spline(torch.randn(5, 2), torch.randn(5, spline.n_parameters, 2))
    >>> z.shape
    torch.Size([5, 2])

    Args:
        bins: Number of bins.
        bound: Half the length ``c`` of the interval.
    """

    def __init__(self, *, bins: int, bound: float) -> None:
        super().__init__()
        self.n_parameters = 3 * bins - 1
        self.spline = Spline(bins=bins, bound=bound)

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        return self._map(x, parameters, inverse=False)

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        return self._map(z, parameters, inverse=True)

    def _map(self, x: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        bins, bound = self.spline.bins, self.spline.bound
        # The spline works bins first; the copy pays for itself several times.
        table = parameters.transpose(0, 1).contiguous()
        sizes, slopes = table.split((2 * bins, bins - 1))
        ends = F.pad(slopes, (0, 0) * (slopes.ndim - 1) + (1, 1))
        inside = x.clamp(-bound, bound)
        z, log_derivative = self.spline(inside, sizes, ends, inverse=inverse)
        # An end knot stays where it is, with slope 1: what was clamped off is only added again.
        return z + (x - inside), log_derivative


class CircularSpline(ScalarMap):
    """A rational-quadratic spline of the circle ``[-pi, pi]``, then a turn: ``z = S(x) + phase``.

    The first and the last knot are one point of the circle and share their derivative, so that the
    map is continuously differentiable across the cut, wherever the phase turns it to (Rezende et
    al., "Normalizing flows on tori and spheres", 2020, section 2.1.2). Angles are taken modulo
    ``2 pi``. ``3 bins + 1`` parameters: widths and heights in turn, the derivatives at the knots,
    the phase.

    References: arXiv:2002.02428.

    >>> import genlab, torch
    >>> spline = genlab.bijections.CircularSpline(bins=4)
    >>> z, log_slope = spline(torch.rand(5, 2), torch.randn(5, spline.n_parameters, 2))
    >>> bool((z.abs() <= torch.pi).all())
    True

    Args:
        bins: Number of bins.
    """

    def __init__(self, *, bins: int) -> None:
        super().__init__()
        self.n_parameters = 3 * bins + 1
        self.spline = Spline(bins=bins, bound=math.pi)

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        sizes, slopes, phase = self._split(parameters)
        z, log_derivative = self.spline(self._on_circle(x), sizes, slopes)
        return wrap(z + phase), log_derivative

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        sizes, slopes, phase = self._split(parameters)
        x, log_derivative = self.spline(self._on_circle(z - phase), sizes, slopes, inverse=True)
        return x, log_derivative

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bins = self.spline.bins
        table = parameters.transpose(0, 1).contiguous()
        sizes, slopes, phase = table.split((2 * bins, bins, 1))
        return sizes, torch.cat((slopes, slopes[:1])), phase.squeeze(0)

    @staticmethod
    def _on_circle(angle: Tensor) -> Tensor:
        # Rounding may leave a wrapped angle a hair beyond the ends.
        return wrap(angle).clamp(-math.pi, math.pi)
