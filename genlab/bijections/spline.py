"""The rational-quadratic spline: an increasing map of an interval onto itself."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genlab.nn.constants import Constants
from genlab.nn.precision import full_precision

__all__ = ["Spline"]


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
