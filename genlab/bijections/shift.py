"""The scalar map of NICE."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from genlab.bijections.scalar_map import ScalarMap

__all__ = ["Shift"]


class Shift(ScalarMap):
    """``z = x + t``, of derivative 1 (Dinh, Krueger, Bengio, "NICE", 2015, equation 5)."""

    n_parameters = 1

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 1 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], None]:
        return x + parameters.squeeze(1), None

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 1 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], None]:
        return z - parameters.squeeze(1), None
