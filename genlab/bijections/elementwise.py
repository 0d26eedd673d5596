"""One scalar map for each coordinate, whatever the others are."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.coupling import log_det_of
from genlab.bijections.scalar_map import ScalarMap
from genlab.nn.precision import output_of

__all__ = ["Elementwise"]


class Elementwise(Bijection):
    """``z_i = g(x_i; p_i)`` with trainable ``p_i``, or ``z_i = g(x_i; p_i(c))`` given a context.

    Args:
        scalar_map: The increasing map ``g``, of all coordinates.
        dim: Number of coordinates.
        network: Network ``c -> p`` whose output has ``P`` values a coordinate, the parameter index
            running slowest; None for trainable constants.
    """

    def __init__(self, scalar_map: ScalarMap, dim: int, network: nn.Module | None = None) -> None:
        super().__init__()
        self.scalar_map = scalar_map
        self.network = network
        if network is None:
            self.constants = nn.Parameter(torch.zeros(scalar_map.n_parameters, dim))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z, log_derivative = self.scalar_map(x, self._values(x, context))
        return z, log_det_of(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        x, log_derivative = self.scalar_map.inverse(z, self._values(z, context))
        return x, log_det_of(z, [log_derivative])

    def _values(self, x: Tensor, context: Tensor | None) -> Float[Tensor, "n P d"]:
        if self.network is None:
            return self.constants.expand(len(x), -1, -1)
        assert context is not None
        output = output_of(self.network, context)
        return output.view(len(x), self.scalar_map.n_parameters, x.shape[1])
