"""A residual network for velocities, and waves of a point's coordinates for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.nn.context import Context
from genlab.nn.dropout import Dropout, Rate
from genlab.nn.plain import forward_mode
from genlab.nn.smooth import IN_PLACE, SMOOTH, SmoothActivation, soft_clamp, value_and_slope
from genlab.nn.velocity import Directions, Tangents, Time, TimeEmbedding, Velocity

__all__ = ["FourierFeatures", "ResidualMLP"]


# R: how many standard deviations the waves go out.
REACH = 10.0
# Rows that pass all layers at once, where no gradient is needed: they stay in a CPU's cache.
PIECE = 512


class FourierFeatures(nn.Module):
    """``x -> (x, sin(B r), cos(B r))``, the entries of B drawn once from ``N(0, scale^2 / d)``.

    Networks learn low frequencies first; waves of a random direction and length let them learn
    what is sharp, such as edges, in far fewer steps (Tancik et al., "Fourier features let networks
    learn high frequency functions in low dimensional domains", 2020, section 5). The phase ``B r``
    of data of unit variance has the standard deviation ``scale`` in any dimension. The waves end
    far out, with ``r = R tanh(x / R)`` for x: a solver could not follow a point across thousands.

    Args:
        dim: Number of coordinates d.
        waves: Number of directions; 0 for the coordinates alone.
        scale: Standard deviation of a phase, in radians.

    Attributes:
        dim: Number of features, ``d + 2 waves``.
    """

    directions: Float[Tensor, "w d"]

    def __init__(self, dim: int, *, waves: int, scale: float) -> None:
        super().__init__()
        self.dim = dim + 2 * waves
        self.register_buffer("directions", torch.randn(waves, dim) * (scale / math.sqrt(dim)))

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        if not len(self.directions):
            return x
        phase = soft_clamp(x, REACH) @ self.directions.T
        return torch.cat((x, phase.sin(), phase.cos()), dim=1)

    def with_tangents(
        self, x: Float[Tensor, "n d"], directions: Float[Tensor, "k m d"]
    ) -> tuple[Float[Tensor, "n f"], Float[Tensor, "k _ f"]]:
        """The features, and their derivatives along ``k`` directions."""
        if not len(self.directions):
            return x, directions
        r = soft_clamp(x, REACH)
        phase = r @ self.directions.T
        speed = directions * (1 - (r / REACH).square()) @ self.directions.T
        sin, cos = phase.sin(), phase.cos()
        own = directions.expand(-1, len(x), -1)
        return torch.cat((x, sin, cos), 1), torch.cat((own, speed * cos, -speed * sin), 2)


class ResidualMLP(Velocity):
    """``h = s(W_0 f(x) + B_0 u)``, then ``h <- h + s(W_l h + B_l u)``, then ``v = V h + a``.

    ``f(x)`` are the coordinates and random waves of them, ``u`` time features and the context.
    Dropout is of what each residual layer adds, where the velocity itself is regressed on: the
    derivatives are always those of the whole network.

    References: arXiv:2006.10739 (random waves).

    >>> import genlab, torch
    >>> velocity = genlab.nn.ResidualMLP((2,))
    >>> velocity(torch.randn(5, 2), torch.tensor(0.5)).shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample, which is flattened.
        width: Width of the hidden layers.
        blocks: Number of residual layers.
        activation: Nonlinearity ``s``, smooth.
        waves: Number of random waves of the coordinates; 0 for none.
        wave_scale: Standard deviation of a wave's phase on data of unit variance, in radians.
        frequencies: Number of frequencies that time is told by.
        dropout: Share of each residual layer's output that is left out in training.
        context_dim: Width of the context; 0 for none.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        width: PositiveInt = 128,
        blocks: NonNegativeInt = 4,
        activation: SmoothActivation = "silu",
        waves: NonNegativeInt = 32,
        wave_scale: Positive = 3.0,
        frequencies: PositiveInt = 4,
        dropout: Rate = 0.0,
        context_dim: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        dim = math.prod(event_shape)
        self.activation = activation
        self.features = FourierFeatures(dim, waves=waves, scale=wave_scale)
        self.embedding = TimeEmbedding(frequencies)
        # One product gives the shifts of all layers, their biases included.
        self.shifts = nn.Linear(self.embedding.dim + context_dim, (blocks + 1) * width)
        self.first = nn.Linear(self.features.dim, width, bias=False)
        self.blocks = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(blocks))
        self.last = nn.Linear(width, dim)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        shifts = self._shifts(t, context)
        rows = x.flatten(1)
        # A compiler does not know how many rows there are, and a derivative needs what was there.
        recorded = torch.is_grad_enabled() or forward_mode() or torch.compiler.is_compiling()
        if recorded or x.is_cuda:
            return self._through(rows, shifts).view_as(x)
        each = (shift.expand(len(rows), -1).split(PIECE) for shift in shifts)
        pieces = zip(rows.split(PIECE), *each, strict=True)
        return torch.cat([self._in_place(piece, own) for piece, *own in pieces]).view_as(x)

    def _through(
        self, rows: Float[Tensor, "n d"], shifts: Sequence[Float[Tensor, "m h"]]
    ) -> Float[Tensor, "n d"]:
        activate = SMOOTH[self.activation]
        shift, *others = shifts
        h = activate(self.first(self.features(rows)) + shift)
        for block, shift in zip(self.blocks, others, strict=True):
            h = h + self.dropout(activate(block(h) + shift))
        v: Tensor = self.last(h)
        return v

    def _in_place(
        self, rows: Float[Tensor, "n d"], shifts: Sequence[Float[Tensor, "n h"]]
    ) -> Float[Tensor, "n d"]:
        """The same, on one piece of memory, of sums that the products are added to."""
        activate = IN_PLACE[self.activation]
        shift, *others = shifts
        h = activate(torch.addmm(shift, self.features(rows), self.first.weight.T))
        for block, shift in zip(self.blocks, others, strict=True):
            assert isinstance(block, nn.Linear)
            h.add_(activate(torch.addmm(shift, h, block.weight.T)))
        v: Tensor = self.last(h)
        return v

    def with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        shift, *shifts = self._shifts(t, context)
        h, tangents = self.features.with_tangents(x.flatten(1), directions.flatten(2))
        h, slope = value_and_slope(self.activation, self.first(h) + shift)
        tangents = self.first(tangents) * slope
        # Without gradients nothing needs the tangents of the layers before.
        add = torch.addcmul if torch.is_grad_enabled() else Tensor.addcmul_
        for block, shift in zip(self.blocks, shifts, strict=True):
            step, slope = value_and_slope(self.activation, block(h) + shift)
            h, tangents = h + step, add(tangents, block(tangents), slope)
        v, columns = self.last(h), F.linear(tangents, self.last.weight)
        return v.view_as(x), columns.unflatten(2, x.shape[1:])

    def _shifts(self, t: Time, context: Context) -> tuple[Float[Tensor, "m h"], ...]:
        """The shift of each layer: one row where all samples share it."""
        u = self.embedding(t, context)
        rows: Tensor = self.shifts(u.view(-1, u.shape[-1]))
        return rows.chunk(len(self.blocks) + 1, dim=1)
