"""Angles: their representative in one turn, and what a network sees of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genlab.nn.constants import Constants
from genlab.nn.context import Context
from genlab.nn.masked_mlp import MaskedMLP

__all__ = [
    "AngleFeatures",
    "Periodic",
    "angle_mask",
    "periodic",
    "squared_turns",
    "wrap",
    "wrap_columns",
]


def wrap(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same angle in ``[-pi, pi)``; one that lies there already keeps all its digits.

    >>> wrap(torch.tensor([3.0, 4.0, -torch.pi, torch.pi]))
    tensor([ 3.0000, -2.2832, -3.1416, -3.1416])
    """
    turned = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
    # Rounding may reach the end that does not belong to the turn.
    turned = torch.where(turned < math.pi, turned, turned - 2 * math.pi)
    return torch.where(angle.abs() < math.pi, angle, turned)


def angle_mask(event_shape: Sequence[int], circular: Sequence[int]) -> Bool[Tensor, "*event"]:
    """Whether each number of a sample is an angle.

    >>> angle_mask((2, 2), [1])
    tensor([[False,  True],
            [False, False]])

    Args:
        event_shape: Shape of one sample.
        circular: Coordinates that are angles; those of arrays are counted row by row.
    """
    angle = torch.zeros(tuple(event_shape), dtype=torch.bool)
    angle.view(-1)[list(circular)] = True
    return angle


def wrap_columns(x: Float[Tensor, "*n d"], circular: Sequence[int]) -> Float[Tensor, "*n d"]:
    """Vectors with those coordinates wrapped that are angles.

    >>> wrap_columns(torch.tensor([[7.0, 7.0]]), [1])
    tensor([[7.0000, 0.7168]])
    """
    if not circular:
        return x
    if len(circular) == x.shape[-1]:
        return wrap(x)
    places = torch.tensor(circular, dtype=torch.long, device=x.device)
    return x.index_copy(-1, places, wrap(x.index_select(-1, places)))


def squared_turns(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], circular: Sequence[int]
) -> Float[Tensor, "n m"]:
    """``|x_i - y_j|^2`` by the shorter way round in each coordinate that is an angle.

    >>> squared_turns(torch.tensor([[3.0]]), torch.tensor([[-3.0]]), [0]).sqrt()
    tensor([[0.2832]])
    """
    total = x.new_zeros(len(x), len(y))
    x, y = (wrap_columns(points, circular) for points in (x, y))
    for i, (a, b) in enumerate(zip(x.unbind(1), y.unbind(1), strict=True)):
        way = a[:, None] - b
        if i in circular:
            # Of two angles in one turn pi - ||a - b| - pi|: without a remainder for each pair.
            way = way.abs_().sub_(math.pi).abs_().sub_(math.pi)
        total.addcmul_(way, way)
    return total


class AngleFeatures(Constants):
    """``(x_i, cos a_j, sin a_j)``: plain coordinates, then a point on the circle for each angle.

    A network of these features is periodic in the angles (Rezende et al., "Normalizing flows on
    tori and spheres", 2020, section 2.1).

    References: arXiv:2002.02428.

    >>> import genlab, torch
    >>> features = genlab.nn.AngleFeatures([True, False])
    >>> features(torch.randn(5, 2)).shape
    torch.Size([5, 3])

    Args:
        is_circular: Whether each coordinate is an angle.

    Attributes:
        sources: The coordinate that each feature is made of.
    """

    plain: Int[Tensor, " k"]
    angles: Int[Tensor, " m"]

    def __init__(self, is_circular: Sequence[bool]) -> None:
        super().__init__()
        plain = [i for i, yes in enumerate(is_circular) if not yes]
        angles = [i for i, yes in enumerate(is_circular) if yes]
        self.sources = [*plain, *angles, *angles]
        self._columns = {"plain": plain, "angles": angles}
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        columns = self._columns.items()
        return {name: torch.tensor(places, dtype=torch.long) for name, places in columns}

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        angles = x.index_select(1, self.angles)
        return torch.cat((x.index_select(1, self.plain), angles.cos(), angles.sin()), dim=1)

    def coordinates(self, points: Float[Tensor, "*n f"]) -> Float[Tensor, "*n d"]:
        """The coordinates that points have features of."""
        sizes = (len(self.plain), len(self.angles), len(self.angles))
        plain, cos, sin = points.split(sizes, dim=-1)
        order = torch.cat((self.plain, self.angles)).argsort()
        return torch.cat((plain, torch.atan2(sin, cos)), dim=-1).index_select(-1, order)


class Periodic(nn.Module):
    """A network ``(x, c) -> y`` that sees the features of ``x``, hence is periodic in the angles.

    References: arXiv:2002.02428.

    >>> import genlab, torch
    >>> network = genlab.nn.MLP(3, 4, hidden=[16], activation="relu")
    >>> periodic = genlab.nn.Periodic(genlab.nn.AngleFeatures([True, False]), network)
    >>> periodic(torch.randn(5, 2)).shape
    torch.Size([5, 4])

    Args:
        features: What it sees.
        network: A network of as many inputs as there are features.
    """

    def __init__(self, features: AngleFeatures, network: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.network = network

    def forward(self, x: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n o"]:
        output: Tensor = self.network(self.features(x), context)
        return output

    def one(self, x: Float[Tensor, "n d"], context: Context, index: int) -> Float[Tensor, "n r"]:
        """The outputs of one coordinate, where the network is a masked one."""
        network = cast(MaskedMLP, self.network)
        return network.one(self.features(x), context, index)


def periodic(is_circular: Sequence[bool], make: Callable[[int], nn.Module]) -> nn.Module:
    """A network of some coordinates, made from its number of inputs, that is periodic in angles.

    Args:
        is_circular: Whether each coordinate that it sees is an angle.
        make: Makes the network: it sees the cosine and the sine of each angle.
    """
    if not any(is_circular):
        return make(len(is_circular))
    return Periodic(AngleFeatures(is_circular), make(len(is_circular) + sum(is_circular)))
