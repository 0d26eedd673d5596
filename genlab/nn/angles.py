"""Angles: their representative in one turn, and what a network sees of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.nn.constants import Constants
from genlab.nn.masked_mlp import MaskedMLP

__all__ = ["AngleFeatures", "Periodic", "wrap"]


def wrap(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same angle in ``[-pi, pi]``; one that lies there already keeps all its digits."""
    return angle - 2 * math.pi * torch.round(angle / (2 * math.pi))


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
        circular: Whether each coordinate is an angle.

    Attributes:
        sources: The coordinate that each feature is made of.
    """

    plain: Int[Tensor, " k"]
    angles: Int[Tensor, " m"]

    def __init__(self, circular: Sequence[bool]) -> None:
        super().__init__()
        plain = [i for i, is_angle in enumerate(circular) if not is_angle]
        angles = [i for i, is_angle in enumerate(circular) if is_angle]
        self.sources = [*plain, *angles, *angles]
        self._columns = {"plain": plain, "angles": angles}
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        columns = self._columns.items()
        return {name: torch.tensor(places, dtype=torch.long) for name, places in columns}

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        angles = x.index_select(1, self.angles)
        return torch.cat((x.index_select(1, self.plain), angles.cos(), angles.sin()), dim=1)


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

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n o"]:
        output: Tensor = self.network(self.features(x), context)
        return output

    def one(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None, index: int
    ) -> Float[Tensor, "n r"]:
        """The outputs of one coordinate, where the network is a masked one."""
        network = cast(MaskedMLP, self.network)
        return network.one(self.features(x), context, index)
