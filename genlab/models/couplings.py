"""What several families of coupling flows consist of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from genlab.bijections.bijection import Bijection
from genlab.bijections.coupling import Coupling
from genlab.bijections.lu_linear import LULinear
from genlab.bijections.permutation import Permutation
from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.split import HalfSplit
from genlab.nn.mlp import MLP, Activation

__all__ = ["Mixing", "alternating_halves", "mixing_layers"]

Mixing = Literal["none", "permutation", "lu"]


def alternating_halves(
    dim: int,
    scalar_map: Callable[[], ScalarMap],
    *,
    layers: int,
    hidden: Sequence[int],
    activation: Activation,
    context_dim: int,
    identity: bool,
) -> list[Coupling]:
    """Couplings that map the second half of a vector, the first, the second, ...

    Args:
        dim: Number of coordinates, at least 2.
        scalar_map: Makes the increasing map of a coupling.
        layers: Number of couplings.
        hidden: Widths of the hidden layers of each conditioner.
        activation: Nonlinearity of the conditioners.
        context_dim: Width of the context that each conditioner sees; 0 for none.
        identity: Start as the identity.
    """

    def coupling(index: int) -> Coupling:
        split, mapping = HalfSplit(dim, flip=index % 2 == 1), scalar_map()
        conditioner = MLP(
            split.passive,
            split.active * mapping.n_parameters,
            hidden=hidden,
            activation=activation,
            context_dim=context_dim,
            zero_last=identity,
        )
        return Coupling(split, mapping, conditioner)

    return [coupling(index) for index in range(layers)]


def mixing_layers(dim: int, mixing: Mixing) -> Iterator[Bijection]:
    """What mixes the coordinates before a coupling: nothing, a random permutation, an LU matrix."""
    if mixing == "permutation":
        yield Permutation.random(dim)
    if mixing == "lu":
        yield LULinear(dim)
