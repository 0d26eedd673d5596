"""The network of FFJORD: layers that time scales and shifts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.nn.context import Context
from genlab.nn.smooth import SMOOTH, SmoothActivation, value_and_slope
from genlab.nn.velocity import Directions, Tangents, Time, TimeEmbedding, Velocity

__all__ = ["ConcatSquashMLP"]


class ConcatSquashMLP(Velocity):
    """``h <- s((W h + b) * sigmoid(G u) + B u)`` with ``u = (time features, context)``.

    Each unit is gated and shifted by time and context (Grathwohl et al., "FFJORD", 2019, appendix
    B.1); the last layer is plain, and starts at zero: so does the velocity.

    With two hidden layers, ``h_1 = s(...)`` and ``h_2 = s(...)`` of slopes ``d_1`` and ``d_2``
    (gates included), the divergence ``tr(W_3 D_2 W_2 D_1 W_1)`` is the bilinear form
    ``d_2' M d_1`` with ``M = W_2 * (W_1 W_3)'``, entry by entry: one more matrix product, whatever
    the number of coordinates. With other depths all coordinates' tangents pass through as a batch.

    References: arXiv:1810.01367.

    >>> import genlab, torch
    >>> velocity = genlab.nn.ConcatSquashMLP((2,))
    >>> velocity(torch.randn(5, 2), torch.tensor(0.5)).shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample, which is flattened.
        hidden: Widths of the hidden layers, at least one.
        activation: Nonlinearity ``s``, smooth.
        frequencies: Number of frequencies that time is told by.
        context_dim: Width of the context; 0 for none.

    Raises:
        ValueError: There is no hidden layer.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        hidden: Sequence[PositiveInt] = (64, 64),
        activation: SmoothActivation = "tanh",
        frequencies: PositiveInt = 3,
        context_dim: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("hidden: expected at least one layer")
        dim = math.prod(event_shape)
        self.activation = activation
        self.hidden = list(hidden)
        self.layers = nn.ModuleList(nn.Linear(*widths) for widths in pairwise([dim, *hidden]))
        self.last = nn.Linear(hidden[-1], dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.embedding = TimeEmbedding(frequencies)
        self.modulation = nn.Linear(self.embedding.dim + context_dim, 2 * sum(hidden))

    @property
    def knows_divergence(self) -> bool:
        return len(self.hidden) == 2

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        h, activate = x.flatten(1), SMOOTH[self.activation]
        for layer, gate, shift in self._modulated(t, context):
            h = activate(torch.addcmul(shift, layer(h), gate))
        v: Tensor = self.last(h)
        return v.view_as(x)

    def with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        h, tangents = x.flatten(1), directions.flatten(2)
        for layer, gate, shift in self._modulated(t, context):
            h, slope = value_and_slope(self.activation, torch.addcmul(shift, layer(h), gate))
            tangents = F.linear(tangents, layer.weight) * (slope * gate)
        v, columns = self.last(h), F.linear(tangents, self.last.weight)
        return v.view_as(x), columns.unflatten(2, x.shape[1:])

    def with_divergence(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        if not self.knows_divergence:
            return super().with_divergence(x, t, context)
        h, slopes, modulated = x.flatten(1), [], self._modulated(t, context)
        for layer, gate, shift in modulated:
            h, slope = value_and_slope(self.activation, torch.addcmul(shift, layer(h), gate))
            slopes.append(slope * gate)
        first, second = (layer.weight for layer, _, _ in modulated)
        bilinear = second * (first @ self.last.weight).T
        divergence = (F.linear(slopes[0], bilinear) * slopes[1]).sum(1)
        v: Tensor = self.last(h)
        return v.view_as(x), divergence

    def _modulated(
        self, t: Time, context: Context
    ) -> list[tuple[nn.Linear, Float[Tensor, "m h"], Float[Tensor, "m h"]]]:
        """Each hidden layer with its gate and shift: one row where all samples share them."""
        u = self.embedding(t, context)
        gates, shifts = self.modulation(u.view(-1, u.shape[-1])).chunk(2, dim=1)
        parts = (gates.sigmoid().split(self.hidden, 1), shifts.split(self.hidden, 1))
        return [
            (layer, gate, shift)
            for layer, gate, shift in zip(self.layers, *parts, strict=True)
            if isinstance(layer, nn.Linear)
        ]
