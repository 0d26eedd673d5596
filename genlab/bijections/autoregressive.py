"""Scalar maps of each coordinate, by itself or by the coordinates before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.coupling import log_det_of
from genlab.bijections.scalar_map import ScalarMap
from genlab.nn.context import Context
from genlab.nn.precision import output_of

__all__ = ["Autoregressive", "Elementwise"]


class Elementwise(Bijection):
    """``z_i = g(x_i; p_i)`` with trainable ``p_i``, or ``z_i = g(x_i; p_i(c))`` given a context.

    References: arXiv:1906.04032.

    >>> import genlab, torch
    >>> spline = genlab.bijections.RationalQuadratic(bins=8, bound=4.0)
    >>> layer = genlab.bijections.Elementwise(spline, 3)
    >>> z, log_det = layer(torch.randn(5, 3))
    >>> z.shape, log_det.shape
    (torch.Size([5, 3]), torch.Size([5]))

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
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z, log_derivative = self.scalar_map(x, self._values(x, context))
        return z, log_det_of(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        x, log_derivative = self.scalar_map.inverse(z, self._values(z, context))
        return x, log_det_of(z, [log_derivative])

    def _values(self, x: Tensor, context: Tensor | None) -> Float[Tensor, "n P d"]:
        if self.network is None:
            return self.constants.expand(len(x), -1, -1)
        assert context is not None
        output = output_of(self.network, context)
        return output.view(len(x), self.scalar_map.n_parameters, x.shape[1])


class MaskedNetwork(Protocol):
    """A network whose output i depends on coordinates before i only."""

    def __call__(self, x: Float[Tensor, "n d"], context: Context) -> Float[Tensor, "n Pd"]:
        """All outputs, the coordinate running fastest."""

    def one(self, x: Float[Tensor, "n d"], context: Context, index: int) -> Float[Tensor, "n P"]:
        """The outputs of one coordinate."""


class Autoregressive(Bijection):
    """``z_i = g(x_i; p_i(x_1, ..., x_{i-1}, c))``, in any order of the coordinates.

    Forward is one call of a masked network; the inverse takes one for each coordinate, in order
    (Papamakarios, Pavlakou, Murray, "Masked autoregressive flow", 2017).

    References: arXiv:1705.07057.

    >>> import genlab, torch
    >>> network = genlab.nn.MaskedMLP([1, 2], [1, 2], repeats=2, hidden=[16], activation="relu")
    >>> layer = genlab.bijections.Autoregressive(genlab.bijections.Affine(), network, [0, 1])
    >>> z, log_det = layer(torch.randn(5, 2))
    >>> z.shape
    torch.Size([5, 2])

    Args:
        scalar_map: The increasing map ``g``, of all coordinates.
        network: A masked network such as `genlab.nn.MaskedMLP`, ``P`` outputs a coordinate.
        order: The coordinates, from the one that depends on no other to the last.
    """

    def __init__(self, scalar_map: ScalarMap, network: nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.scalar_map = scalar_map
        self.network = network
        self.order = tuple(order)
        self.of_one = nn.ModuleList(scalar_map.part(slice(i, i + 1)) for i in sorted(order))

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        output = output_of(self.network, x, context)
        parameters = output.view(len(x), self.scalar_map.n_parameters, x.shape[1])
        z, log_derivative = self.scalar_map(x, parameters)
        return z, log_det_of(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        network = cast(MaskedNetwork, self.network)
        x, log_derivatives = torch.zeros_like(z), []
        for i in self.order:
            g = cast(ScalarMap, self.of_one[i])
            parameters = output_of(network.one, x, context, i)[:, : g.n_parameters, None]
            x_i, log_derivative = g.inverse(z[:, i : i + 1], parameters)
            x = torch.cat((x[:, :i], x_i, x[:, i + 1 :]), dim=1)
            log_derivatives.append(log_derivative)
        return x, log_det_of(z, log_derivatives)
