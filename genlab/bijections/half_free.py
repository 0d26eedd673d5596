"""The coupling layer whose other half is mapped too, by trainable constants."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.coupling import log_det_of
from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.split import HalfSplit
from genlab.nn.precision import output_of

__all__ = ["HalfFreeCoupling"]


class HalfFreeCoupling(Bijection):
    """``z_a = g(x_a; p)``, ``z_b = g(x_b; p(x_a, c))`` with trainable ``p`` and a network ``p(.)``.

    A coupling that leaves no coordinate alone, at the price of a few constants. Forward, one call
    of ``g`` maps both halves at once; the inverse has to undo ``x_a`` first.

    Args:
        split: Which coordinates are mapped by the constants, and which by the network.
        scalar_map: The increasing map ``g``, of all coordinates.
        conditioner: Network ``(x_a, c) -> p`` whose output has ``P`` values a coordinate of
            ``x_b``, the parameter index running slowest.
    """

    def __init__(self, split: HalfSplit, scalar_map: ScalarMap, conditioner: nn.Module) -> None:
        super().__init__()
        self.split = split
        self.scalar_map = scalar_map
        self.of_half = nn.ModuleList(scalar_map.part(columns) for columns in split.columns)
        self.conditioner = conditioner
        self.free = nn.Parameter(torch.zeros(scalar_map.n_parameters, split.passive))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        x_a, _ = self.split.separate(x)
        parameters = self.split.join(self._free(len(x)), self._conditioned(x_a, context))
        z, log_derivative = self.scalar_map(x, parameters.transpose(0, 1))
        return z, log_det_of(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z_a, z_b = self.split.separate(z)
        g_a, g_b = (cast(ScalarMap, self.of_half[place]) for place in self.split.places)
        free = self._free(len(z))[: g_a.n_parameters]
        x_a, log_a = g_a.inverse(z_a, free.transpose(0, 1))
        conditioned = self._conditioned(x_a, context)[: g_b.n_parameters]
        x_b, log_b = g_b.inverse(z_b, conditioned.transpose(0, 1))
        return self.split.join(x_a, x_b), log_det_of(z, [log_a, log_b])

    # Parameters first: this is how splines read them, and the two halves are copied to be joined.

    def _free(self, n: int) -> Float[Tensor, "P n a"]:
        return self.free.unsqueeze(1).expand(-1, n, -1)

    def _conditioned(
        self, x_a: Float[Tensor, "n a"], context: Tensor | None
    ) -> Float[Tensor, "P n b"]:
        output = output_of(self.conditioner, x_a, context)
        return output.view(len(x_a), self.scalar_map.n_parameters, self.split.active).transpose(
            0, 1
        )
