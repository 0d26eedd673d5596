"""Perceptrons between arrays of any shape and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from jaxtyping import Float
from torch import Tensor

from genlab.nn.mlp import MLP, Activation

__all__ = ["DenseDecoder", "DenseEncoder"]


class DenseEncoder(MLP):
    """An array to a vector.

    Args:
        event_shape: Shape of the array.
        out_features: Length of the vector.
        hidden: Widths of the hidden layers.
        activation: Name of the nonlinearity.
        context_dim: Width of the context; 0 for none.
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        out_features: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        context_dim: int = 0,
    ) -> None:
        super().__init__(
            prod(event_shape),
            out_features,
            hidden=hidden,
            activation=activation,
            context_dim=context_dim,
        )

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n o"]:
        return super().forward(x.flatten(1), context)


class DenseDecoder(MLP):
    """A vector to several arrays of one shape.

    Args:
        in_features: Length of the vector.
        event_shape: Shape of an array.
        arrays: P, the number of arrays.
        hidden: Widths of the hidden layers, from the last one to the first.
        activation: Name of the nonlinearity.
        context_dim: Width of the context; 0 for none.

    Attributes:
        width: Most numbers that a layer computes for one row.
    """

    def __init__(
        self,
        in_features: int,
        event_shape: tuple[int, ...],
        arrays: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        context_dim: int = 0,
    ) -> None:
        out_features = arrays * prod(event_shape)
        super().__init__(
            in_features,
            out_features,
            hidden=hidden[::-1],
            activation=activation,
            context_dim=context_dim,
        )
        self.shape = (arrays, *event_shape)
        self.width = max([out_features, *hidden])

    def forward(
        self, z: Float[Tensor, "n l"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n P *event"]:
        arrays: Tensor = super().forward(z, context).unflatten(1, self.shape)
        return arrays
