"""The nonlinear last layer of KRnet: a trainable distribution function for each coordinate."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.nn.context import Context

__all__ = ["CDFLayer"]


class CDFLayer(Bijection):
    """``z_i = F_i(x_i)`` with a piecewise-linear ``F_i' > 0`` on ``[-a, a]``, the identity outside.

    The mesh is symmetric and geometric, fine at 0, one for all coordinates: ``x_{+-j} = +-a (r^j -
    1) / (r^m - 1)``, ``j = 0 .. m``. With cells of width ``h_k = x_{k+1} - x_k``, ``F'`` has the
    values ``p_0 = p_n = 1`` at the ends and, by the trained ``w``, inside

        ``p_j = e^{w_j} (2a - (h_0 + h_{n-1}) / 2) / sum_i e^{w_i} (h_{i-1} + h_i) / 2``:

    ``F`` carries ``[-a, a]`` onto itself, and ``w = 0`` is the identity. With ``delta = x - x_k``,

        ``z = y_k + p_k delta + (p_{k+1} - p_k) delta^2 / 2h``,
        ``F' = p_k + (p_{k+1} - p_k) delta / h``,

    and, with ``c = z - y_k``, ``delta = 2c / (p_k + sqrt(p_k^2 + 2c (p_{k+1} - p_k) / h))``, where
    the root is ``F'`` (Tang, Wan, Liao, "Deep density estimation via invertible block-triangular
    mapping", 2020; "Adaptive deep density approximation for Fokker-Planck equations", 2022).

    All is in units of ``x``, and the ``y_k`` are summed outwards from 0: in units of the interval,
    float32 would lose three more digits.

    References: doi:10.1016/j.taml.2020.01.023, arXiv:2103.11181.

    >>> import genlab, torch
    >>> layer = genlab.bijections.CDFLayer(2, bins=32)
    >>> z, log_det = layer(torch.randn(5, 2))
    >>> z.shape, log_det.shape
    (torch.Size([5, 2]), torch.Size([5]))

    Args:
        dim: Number of coordinates.
        bins: Number of cells ``n = 2m``, half of them on each side of 0.
        bound: Half the length ``a`` of the interval.
        ratio: How much wider each cell is than its neighbour towards 0, ``r > 1``.

    Raises:
        ValueError: The number of cells is odd.
    """

    mesh: Float[Tensor, " nodes"]

    def __init__(self, dim: int, *, bins: int, bound: float = 50.0, ratio: float = 1.2) -> None:
        super().__init__()
        if bins % 2:
            raise ValueError(f"bins={bins}: expected an even number, half on each side of 0")
        self.bins = bins
        self.bound = bound
        self.ratio = ratio
        self.log_weight = nn.Parameter(torch.zeros(dim, bins - 1))
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        powers = self.ratio ** torch.arange(self.bins // 2 + 1, dtype=torch.get_default_dtype()) - 1
        side = self.bound * powers / powers[-1]
        return {"mesh": torch.cat((-side.flip(0), side[1:]))}

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        widths, values, slopes = self._tables()
        inside = x.mT.clamp(-self.bound, self.bound).contiguous()
        cell = torch.bucketize(inside, self.mesh[1:-1])
        delta = inside - self.mesh[cell]
        left, right = slopes.gather(1, cell), slopes.gather(1, cell + 1)
        # Between the two slopes also after rounding, so that the logarithm exists.
        slope = left.lerp(right, (delta / widths[cell]).clamp_max(1))
        image = values.gather(1, cell) + delta * (left + slope) / 2
        return x + (image - inside).mT, slope.log().sum(0)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        widths, values, slopes = self._tables()
        inside = z.mT.clamp(-self.bound, self.bound).contiguous()
        cell = torch.searchsorted(values[:, 1:-1].contiguous(), inside)
        left, right = slopes.gather(1, cell), slopes.gather(1, cell + 1)
        width = widths[cell]
        c = inside - values.gather(1, cell)
        square = left.square() + 2 * c * (right - left) / width
        slope = square.clamp_min(torch.minimum(left, right).square()).sqrt()
        delta = (2 * c / (left + slope)).clamp_min(0).minimum(width)
        return z + (self.mesh[cell] + delta - inside).mT, -slope.log().sum(0)

    def _tables(
        self,
    ) -> tuple[Float[Tensor, " cells"], Float[Tensor, "d nodes"], Float[Tensor, "d nodes"]]:
        """The widths ``h_k`` of the cells; the values ``y_k`` and slopes ``p_k`` at the nodes."""
        widths = self.mesh.diff()
        weights = (widths[1:] + widths[:-1]) / 2
        mass = 2 * self.bound - (widths[0] + widths[-1]) / 2
        interior = (self.log_weight + weights.log()).softmax(1) * (mass / weights)
        slopes = nn.functional.pad(interior, (1, 1), value=1.0)
        cells = (slopes[:, 1:] + slopes[:, :-1]) * (widths / 2)
        below, above = cells.chunk(2, dim=1)
        centre = (below.sum(1, keepdim=True) - above.sum(1, keepdim=True)) / 2
        down = centre - below.flip(1).cumsum(1).flip(1)
        return widths, torch.cat((down, centre, centre + above.cumsum(1)), dim=1), slopes

    def extra_repr(self) -> str:
        return f"dim={len(self.log_weight)}, bins={self.bins}, bound={self.bound:g}"
