"""Velocity fields on circles and tori, made from networks of the flat space around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.nn.angles import AngleFeatures
from genlab.nn.constants import Constants
from genlab.nn.context import Context
from genlab.nn.residual_mlp import REACH
from genlab.nn.smooth import soft_clamp
from genlab.nn.velocity import Directions, Tangents, Time, Velocity, VelocityFactory

__all__ = ["PeriodicVelocity", "on_circles"]


class PeriodicVelocity(Constants, Velocity):
    """``v_j = cos(a_j) S_j - sin(a_j) C_j`` of angles: the part of a field that runs along circles.

    ``(y, C, S) = N(f, t, c)`` is a field at the point ``f = (R tanh(x / R), cos a, sin a)`` of the
    flat space around the torus, of coordinates ``x`` that are no angles and points on circles;
    ``y`` are the velocities of these ``x``. So an ``x`` far out turns no angle at a speed that a
    solver could not follow. As N sees cosines and sines alone, v is periodic, and so is the
    density of its flow (Chen, Lipman, "Flow matching on general geometries", 2024).

    References: arXiv:2302.03660.

    >>> import genlab, torch
    >>> v = genlab.nn.PeriodicVelocity((2,), network=genlab.nn.ResidualMLP, circular=[0, 1])
    >>> x, t = torch.zeros(1, 2), torch.tensor(0.5)
    >>> torch.allclose(v(x + 2 * torch.pi, t), v(x, t), atol=1e-5)
    True

    Args:
        event_shape: Shape of one sample, which is flattened.
        network: Makes N.
        circular: Coordinates that are angles.
        context_dim: Width of the context; 0 for none.
    """

    place: Int[Tensor, " d"]

    def __init__(
        self,
        event_shape: tuple[int, ...],
        *,
        network: VelocityFactory,
        circular: Sequence[int],
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        dim = math.prod(event_shape)
        self.features = AngleFeatures([i in circular for i in range(dim)])
        sources = self.features.sources
        self.sizes = (dim - len(circular), len(circular), len(circular))
        self.mixed = sources[:dim] != list(range(dim))
        self.network = network((len(sources),), context_dim=context_dim)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        sources = self.features.sources
        dim = self.sizes[0] + self.sizes[1]
        return {"place": torch.tensor([sources.index(i) for i in range(dim)])}

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        r, cos, sin = self._places(x)
        seen = torch.cat((r, cos, sin), 1)
        y, around_cos, around_sin = self.network(seen, t, context).split(self.sizes, 1)
        return self._joined(y, cos * around_sin - sin * around_cos).view_as(x)

    def with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        r, cos, sin = self._places(x)
        seen = torch.cat((r, cos, sin), 1)
        ahead = directions.flatten(2)
        straight = ahead.index_select(2, self.features.plain) * (1 - (r / REACH).square())
        turn = ahead.index_select(2, self.features.angles)
        along = torch.cat((straight.expand(-1, len(x), -1), turn * -sin, turn * cos), dim=2)
        output, tangents = self.network.with_tangents(seen, t, context, along)
        y, around_cos, around_sin = output.split(self.sizes, 1)
        d_y, d_cos, d_sin = tangents.split(self.sizes, 2)
        v = self._joined(y, cos * around_sin - sin * around_cos)
        d_turn = cos * d_sin - sin * d_cos - turn * (sin * around_sin + cos * around_cos)
        columns = self._joined(d_y, d_turn)
        return v.view_as(x), columns.unflatten(2, x.shape[1:])

    def _places(self, x: Float[Tensor, "n *event"]) -> tuple[Tensor, Tensor, Tensor]:
        """The network's view of the coordinates that are no angles, and of those that are."""
        plain, cos, sin = self.features(x.flatten(1)).split(self.sizes, 1)
        return soft_clamp(plain, REACH), cos, sin

    def _joined(self, y: Tensor, turn: Tensor) -> Tensor:
        """The velocities of all coordinates in their own order."""
        joined = torch.cat((y, turn), dim=-1)
        return joined.index_select(-1, self.place) if self.mixed else joined


def on_circles(network: VelocityFactory, circular: Sequence[int]) -> VelocityFactory:
    """A maker of fields of samples with angles; the network's own where there are none."""
    return partial(PeriodicVelocity, network=network, circular=circular) if circular else network
