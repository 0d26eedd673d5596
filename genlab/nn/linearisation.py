"""The Jacobians of networks at many points, in their factors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from genlab.nn.lipschitz import LipschitzLayer

__all__ = ["DenseLinearisation", "Linearisation", "take_rows"]


@dataclass(frozen=True)
class Linearisation:
    """``J = A_L D_{L-1} A_{L-1} ... D_1 A_1`` of each network of a stack, at n points each.

    A product with it costs as much as the network itself, and nothing has to be differentiated.

    References: arXiv:1811.00995.

    >>> import genlab, torch
    >>> g = genlab.nn.LipschitzMLP(1, 2, hidden=[16], activation="sine", bound=0.9).at(None)
    >>> value, slopes = g.each[0].linearise(torch.randn(5, 2))
    >>> g.jacobians([slopes], 0).jacobian().shape
    torch.Size([1, 5, 2, 2])

    Attributes:
        layers: What multiplies by a weight.
        weights: The weights ``A_l``, ``[stack, ...]``.
        slopes: The diagonals ``D_l``, one for each hidden layer, ``[stack, n, *hidden]``.
        event_shape: Shape of one input.
    """

    layers: Sequence[LipschitzLayer]
    weights: Sequence[Tensor]
    slopes: Sequence[Tensor]
    event_shape: Sequence[int]

    def jvp(self, tangent: Float[Tensor, "stack n *event"]) -> Float[Tensor, "stack n *event"]:
        """``J t``: how the output moves with the input."""
        *before, (last, weight) = zip(self.layers, self.weights, strict=True)
        for (layer, inner), slope in zip(before, self.slopes, strict=True):
            tangent = layer.multiply(tangent, inner) * slope
        return last.multiply(tangent, weight)

    def vjp(self, cotangent: Float[Tensor, "stack n *event"]) -> Float[Tensor, "stack n *event"]:
        """``J' w``."""
        (first, weight), *after = zip(self.layers, self.weights, strict=True)
        for (layer, inner), slope in zip(reversed(after), reversed(self.slopes), strict=True):
            cotangent = layer.multiply_transposed(cotangent, inner) * slope
        return first.multiply_transposed(cotangent, weight)

    def jacobian(self) -> Float[Tensor, "stack n d d"]:
        """``J`` over flattened events, transposed: row i holds the derivatives by ``x_i``."""
        dim = math.prod(self.event_shape)
        stack, n = self.slopes[0].shape[:2]
        identity = torch.eye(dim, dtype=self.weights[0].dtype, device=self.weights[0].device)
        identity = torch.stack([identity.view(dim, *self.event_shape)] * stack)
        (first, weight), *after = zip(self.layers, self.weights, strict=True)
        tangent = first.multiply(identity, weight)[:, None]
        for (layer, inner), slope in zip(after, self.slopes, strict=True):
            tangent = (tangent * slope[:, :, None]).flatten(1, 2)
            tangent = layer.multiply(tangent, inner).unflatten(1, (n, dim))
        return tangent.flatten(3)

    def split(self, size: int) -> Iterator[Linearisation]:
        """Stacks of at most so many networks."""
        for start in range(0, len(self.weights[0]), size):
            part = slice(start, start + size)
            yield replace(
                self,
                weights=[weight[part] for weight in self.weights],
                slopes=[slope[part] for slope in self.slopes],
            )

    def rows(self, index: slice | Int[Tensor, "stack m"]) -> Linearisation:
        """The Jacobians at some of the points, which may be others for each network."""
        if isinstance(index, slice):
            return replace(self, slopes=[slope[:, index] for slope in self.slopes])
        return replace(self, slopes=[take_rows(slope, index) for slope in self.slopes])

    def detach(self) -> Linearisation:
        """The same Jacobians as constants."""
        return replace(
            self,
            weights=[weight.detach() for weight in self.weights],
            slopes=[slope.detach() for slope in self.slopes],
        )


class DenseLinearisation(Linearisation):
    """The Jacobians of multilayer perceptrons."""

    def jacobian(self) -> Float[Tensor, "stack n d d"]:
        # A_2 D_1 A_1 is linear in the diagonal of D_1: one matrix product, and no column of A_1 is
        # spread over the batch.
        first, second, *rest = self.weights
        n, (stack, _, dim) = self.slopes[0].shape[1], first.shape
        folded = (second[:, None] * first.mT[:, :, None]).flatten(1, 2)
        tangent = torch.bmm(self.slopes[0], folded.mT).view(stack, n, dim, second.shape[1])
        for slope, weight in zip(self.slopes[1:], rest, strict=True):
            tangent = (tangent * slope[:, :, None]).flatten(1, 2)
            tangent = torch.bmm(tangent, weight.mT).view(stack, n, dim, weight.shape[1])
        return tangent


def take_rows(
    x: Shaped[Tensor, "stack n ..."], index: Int[Tensor, "stack m"]
) -> Shaped[Tensor, "stack m ..."]:
    """``x[s, index[s, i]]``; whole rows are copied, which ``gather`` does value by value."""
    first = torch.arange(len(x), device=x.device)[:, None] * x.shape[1]
    return x.flatten(0, 1)[(index + first).flatten()].view(*index.shape, *x.shape[2:])
