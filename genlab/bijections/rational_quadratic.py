"""The scalar map of neural spline flows."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.spline import Spline

__all__ = ["RationalQuadratic"]


class RationalQuadratic(ScalarMap):
    """A rational-quadratic spline on ``[-c, c]``, the identity outside.

    ``z = S(x)`` with ``S(+-c) = +-c`` and ``S'(+-c) = 1``, so that the tails of slope 1 continue it
    smoothly (Durkan, Bekasov, Murray, Papamakarios, "Neural spline flows", 2019). Both directions
    cost the same. There are ``3 bins - 1`` parameters: widths and heights in turn, then the
    derivatives at the inner knots.

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
