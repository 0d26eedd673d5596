"""Parts that several families of coupling flows consist of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Literal

from torch import nn

from genlab.bijections.bijection import Bijection, Compose, Inverse
from genlab.bijections.coupling import (
    AlternatingCouplings,
    CheckerboardSplit,
    Coupling,
    HalfSplit,
    Split,
)
from genlab.bijections.elementwise_affine import ActNorm
from genlab.bijections.lu_linear import LUConv, LULinear
from genlab.bijections.reshaping import Flatten, ImageShape, Permutation, multi_scale
from genlab.bijections.scalar_map import ScalarMap
from genlab.nn.angles import periodic
from genlab.nn.conv import ConvNet
from genlab.nn.mlp import MLP, Activation

__all__ = [
    "Mixing",
    "alternating_halves",
    "image_layers",
    "of_vectors",
    "spaced",
    "vector_order",
]

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
    is_angle: Sequence[bool] = (),
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
        is_angle: Whether each coordinate is an angle; none of them where it is empty.
    """

    network = partial(
        MLP, hidden=hidden, activation=activation, context_dim=context_dim, zero_last=identity
    )

    def seeing(split: HalfSplit) -> Callable[[int, int], nn.Module]:
        seen = is_angle[split.columns[split.places[0]]]
        return lambda passive, width: periodic(
            seen or (False,) * passive, lambda inputs: network(inputs, width)
        )

    splits = (HalfSplit(dim, flip=index % 2 == 1) for index in range(layers))
    return [_conditioned(split, scalar_map(), seeing(split)) for split in splits]


def image_layers(
    event_shape: tuple[int, ...],
    scales: int,
    scalar_map: Callable[[], ScalarMap],
    *,
    layers: int,
    hidden: Sequence[int],
    activation: Activation,
    actnorm: bool,
    mixing: Mixing,
    context_dim: int,
) -> Compose:
    """Couplings of an image at several scales, which start as the identity.

    At each scale, first on the fields of a checkerboard, then on the halves of the channels; each
    kind in turn on one part and the other. After it, half of the numbers are done (Dinh,
    Sohl-Dickstein, Bengio, "Real NVP", 2017, arXiv:1605.08803, sections 3.4 and 3.6).

    Args:
        event_shape: Channels, height and width of the image.
        scales: Number of scales, each of half the size of the one before.
        scalar_map: Makes the increasing map of a coupling.
        layers: Number of couplings at each scale; the larger half is on the checkerboard.
        hidden: Channels of the hidden layers of each conditioner.
        activation: Nonlinearity of the conditioners.
        actnorm: Put a data-initialised scale and shift of each channel before each coupling.
        mixing: What mixes the channels before each coupling of their halves.
        context_dim: Width of the context that each conditioner sees; 0 for none.
    """

    network = partial(
        ConvNet, hidden=hidden, activation=activation, context_dim=context_dim, zero_last=True
    )

    def at_scale(shape: ImageShape) -> Iterator[Bijection]:
        channels, on_checkerboard = shape[0], (layers + 1) // 2
        for index in range(layers):
            kind = CheckerboardSplit if index < on_checkerboard else HalfSplit
            mixing_here = mixing if kind is HalfSplit else "none"
            yield from _before(channels, actnorm=actnorm, mixing=mixing_here, images=True)
            yield _conditioned(kind(channels, flip=index % 2 == 1), scalar_map(), network)

    return Compose(multi_scale(event_shape, scales, at_scale))


def of_vectors(event_shape: tuple[int, ...], layers: Iterable[Bijection]) -> Compose:
    """Layers that map vectors, for samples of any shape: arrays are flattened and put back."""
    if len(event_shape) == 1:
        return Compose(layers)
    return Compose([Flatten(event_shape), *layers, Inverse(Flatten(event_shape))])


def vector_order(event_shape: tuple[int, ...]) -> Sequence[int]:
    """The number of a sample, counted row by row, that each coordinate of `of_vectors` is."""
    if len(event_shape) == 1:
        return range(event_shape[0])
    return Flatten.places(event_shape)


def spaced(
    dim: int, layers: Sequence[Bijection], *, actnorm: bool = False, mixing: Mixing = "none"
) -> list[Bijection]:
    """Layers of vectors, each behind what shall stand before it; couplings alone are one layer.

    Args:
        dim: Number of coordinates.
        layers: The layers, from data to latent.
        actnorm: Put a data-initialised scale and shift before each.
        mixing: What mixes the coordinates before each.
    """
    if actnorm or mixing != "none":
        before = partial(_before, dim, actnorm=actnorm, mixing=mixing)
        return [step for layer in layers for step in (*before(), layer)]
    couplings = [layer for layer in layers if isinstance(layer, Coupling)]
    return [AlternatingCouplings(couplings)] if len(couplings) == len(layers) else list(layers)


def _before(
    dim: int, *, actnorm: bool, mixing: Mixing, images: bool = False
) -> Iterator[Bijection]:
    """The layers before another one.

    Args:
        dim: Number of coordinates, or of channels.
        actnorm: A data-initialised scale and shift of each.
        mixing: What mixes them: nothing, a random permutation, or a trainable LU matrix.
        images: Whether they are channels.
    """
    if actnorm:
        yield ActNorm(dim)
    if mixing == "permutation":
        yield Permutation.random(dim)
    if mixing == "lu":
        yield LUConv(dim) if images else LULinear(dim)


def _conditioned(
    split: Split, mapping: ScalarMap, network: Callable[[int, int], nn.Module]
) -> Coupling:
    """A coupling whose network sees the passive part and says all parameters of the active one."""
    return Coupling(split, mapping, network(split.passive, split.active * mapping.n_parameters))
