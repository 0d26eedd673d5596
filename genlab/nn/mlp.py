"""Multilayer perceptrons: the conditioners of couplings, the fields of small problems."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal, NotRequired, TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.nn.context import Context

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Activation",
    "DenseDecoder",
    "DenseEncoder",
    "LayerOptions",
    "NetworkOptions",
]


Activation = Literal["relu", "silu", "gelu", "tanh", "elu", "leaky_relu", "softplus"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
}


class LayerOptions(TypedDict):
    """The hidden layers of any network: their widths, or channels, and their context."""

    hidden: Sequence[int]
    activation: Activation
    context_dim: NotRequired[int]


class NetworkOptions(LayerOptions):
    """The same of a network that may start from the zero function."""

    zero_last: NotRequired[bool]


class MLP(nn.Sequential):
    """``x, c -> W_L s(... s(W_1 [x, c] + b_1) ...) + b_L``.

    References: Hornik, Stinchcombe, White, "Multilayer feedforward networks are universal
    approximators", 1989, doi:10.1016/0893-6080(89)90020-8.

    >>> import genlab, torch
    >>> network = genlab.nn.MLP(2, 3, hidden=[16, 16], activation="relu")
    >>> network(torch.randn(5, 2)).shape
    torch.Size([5, 3])

    Args:
        in_features: Width of ``x``.
        out_features: Width of the output.
        hidden: Widths of the hidden layers; empty for one affine map.
        activation: Name of the nonlinearity ``s``.
        context_dim: Width of the context that is appended to ``x``; 0 for none.
        zero_last: Start from the zero function: the last layer is initialised to zero, so that
            a map parametrised by the output starts as the identity.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        context_dim: int = 0,
        zero_last: bool = False,
    ) -> None:
        widths = [in_features + context_dim, *hidden]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), ACTIVATIONS[activation]()]
        super().__init__(*layers, nn.Linear(widths[-1], out_features))
        if zero_last:
            self.start_from_zero()

    def start_from_zero(self) -> None:
        """Make it the zero function, by its last layer."""
        for parameter in self[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "n i"], context: Context = None) -> Float[Tensor, "n o"]:
        if context is not None:
            x = torch.cat((x, context), dim=-1)
        for layer in self:
            x = layer(x)
        return x


class DenseEncoder(MLP):
    """An array to a vector.

    Args:
        event_shape: Shape of the array.
        out_features: Length of the vector.
        **layers: Those of `MLP`.
    """

    def __init__(
        self, event_shape: tuple[int, ...], out_features: int, **layers: Unpack[LayerOptions]
    ) -> None:
        super().__init__(prod(event_shape), out_features, **layers)

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n o"]:
        return super().forward(x.flatten(1), context)


class DenseDecoder(MLP):
    """A vector to several arrays of one shape.

    Args:
        in_features: Length of the vector.
        event_shape: Shape of an array.
        arrays: P, the number of arrays.
        **layers: Those of `MLP`, ``hidden`` from the last one to the first.

    Attributes:
        width: Most numbers that a layer computes for one row.
    """

    def __init__(
        self,
        in_features: int,
        event_shape: tuple[int, ...],
        arrays: int,
        **layers: Unpack[LayerOptions],
    ) -> None:
        hidden, out_features = layers["hidden"], arrays * prod(event_shape)
        layers["hidden"] = hidden[::-1]
        super().__init__(in_features, out_features, **layers)
        self.shape = (arrays, *event_shape)
        self.width = max([out_features, *hidden])

    def forward(
        self, z: Float[Tensor, "n l"], context: Context = None
    ) -> Float[Tensor, "n P *event"]:
        arrays: Tensor = super().forward(z, context).unflatten(1, self.shape)
        return arrays
