"""Parts that several families of coupling flows consist of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Unpack, cast

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
from genlab.bijections.periodic_convolution import PeriodicConvolution
from genlab.bijections.reshaping import Flatten, ImageShape, Permutation, multi_scale
from genlab.bijections.scalar_map import ScalarMap
from genlab.nn.angles import periodic
from genlab.nn.conv import ConvNet, ConvOptions, GridNet
from genlab.nn.mlp import MLP, NetworkOptions

__all__ = [
    "Conditioner",
    "Mixing",
    "Network",
    "alternating_halves",
    "conditioner",
    "image_layers",
    "of_vectors",
    "spaced",
    "vector_order",
]

Mixing = Literal["none", "permutation", "lu", "convolution"]
Network = Literal["mlp", "conv"]

# Radians that convolutions turn waves by at the start: two in a row give each number of a coupling
# a share of all others.
SPREAD = math.pi

Conditioner = Callable[[Split, int], nn.Module]
"""Makes the network of a split, which sees the part that passes, and says so many parameters of
each mapped number."""


def conditioner(
    event_shape: tuple[int, ...],
    network: Network,
    *,
    is_circular: Sequence[bool] = (),
    **layers: Unpack[ConvOptions],
) -> Conditioner:
    """Makes networks of couplings of vectors that are arrays, as `of_vectors` orders them.

    Args:
        event_shape: Shape of one sample.
        network: ``mlp`` for the vectors, or ``conv`` for the arrays.
        is_circular: Whether each number of the vectors is an angle, of which ``mlp`` sees the
            cosine and the sine; none of them where it is empty.
        **layers: Those of the networks; vectors have no padding.
    """

    def conv(split: Split, n_parameters: int) -> GridNet:
        order = vector_order(event_shape)
        seen, asked = (order[split.columns[place]] for place in split.places)
        return GridNet(event_shape, seen, asked, n_parameters, **layers)

    if network == "conv":
        return conv
    dense = cast(NetworkOptions, {k: v for k, v in layers.items() if k != "padding"})

    def mlp(split: Split, n_parameters: int) -> nn.Module:
        seen = is_circular[split.columns[split.places[0]]] or (False,) * split.passive
        return periodic(seen, lambda inputs: MLP(inputs, split.active * n_parameters, **dense))

    return mlp


def alternating_halves(
    dim: int, scalar_map: Callable[[], ScalarMap], network: Conditioner, *, layers: int
) -> list[Coupling]:
    """Couplings that map the second half of a vector, the first, the second, ...

    Args:
        dim: Number of coordinates, at least 2.
        scalar_map: Makes the increasing map of a coupling.
        network: Makes its conditioner.
        layers: Number of couplings.
    """
    splits = (HalfSplit(dim, flip=index % 2 == 1) for index in range(layers))
    return [_conditioned(split, scalar_map(), network) for split in splits]


def image_layers(
    event_shape: tuple[int, ...],
    scales: int,
    scalar_map: Callable[[], ScalarMap],
    *,
    layers: int,
    actnorm: bool,
    mixing: Mixing,
    **conditioners: Unpack[ConvOptions],
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
        actnorm: Put a data-initialised scale and shift of each channel before each coupling.
        mixing: What mixes the channels before each coupling of their halves.
        **conditioners: The layers of their networks.
    """

    def network(split: Split, n_parameters: int) -> ConvNet:
        return ConvNet(split.passive, split.active * n_parameters, **conditioners)

    def at_scale(shape: ImageShape) -> Iterator[Bijection]:
        channels, on_checkerboard = shape[0], (layers + 1) // 2
        for index in range(layers):
            kind = CheckerboardSplit if index < on_checkerboard else HalfSplit
            mixing_here = mixing if kind is HalfSplit else "none"
            yield from _before(shape, actnorm=actnorm, mixing=mixing_here)
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
    event_shape: tuple[int, ...],
    layers: Sequence[Bijection],
    *,
    actnorm: bool = False,
    mixing: Mixing = "none",
) -> list[Bijection]:
    """Layers of vectors, each behind what shall stand before it; couplings alone are one layer.

    Args:
        event_shape: Shape of a sample, which the layers see as a vector.
        layers: The layers, from data to latent.
        actnorm: Put a data-initialised scale and shift before each.
        mixing: What mixes the coordinates before each.
    """
    if actnorm or mixing != "none":
        steps = list[Bijection]()
        for layer in layers:
            if mixing == "convolution":
                first = _before(event_shape, actnorm=actnorm, mixing=mixing)
                steps += [Inverse(Flatten(event_shape)), *first, Flatten(event_shape), layer]
            else:
                dim = math.prod(event_shape)
                steps += [*_before((dim,), actnorm=actnorm, mixing=mixing), layer]
        return steps
    couplings = [layer for layer in layers if isinstance(layer, Coupling)]
    return [AlternatingCouplings(couplings)] if len(couplings) == len(layers) else list(layers)


def _before(shape: tuple[int, ...], *, actnorm: bool, mixing: Mixing) -> Iterator[Bijection]:
    """The layers before another one.

    Args:
        shape: Number of coordinates, or channels, height and width.
        actnorm: A data-initialised scale and shift of each coordinate or channel.
        mixing: What mixes them: nothing, a random permutation, a trainable LU matrix, or, of
            fields, a trainable convolution with the whole square.
    """
    if actnorm:
        yield ActNorm(shape[0])
    if mixing == "permutation":
        yield Permutation.random(shape[0])
    if mixing == "lu":
        yield LUConv(shape[0]) if len(shape) == 3 else LULinear(shape[0])
    if mixing == "convolution":
        yield PeriodicConvolution(shape, spread=SPREAD)


def _conditioned(split: Split, mapping: ScalarMap, network: Conditioner) -> Coupling:
    """A coupling whose network sees the passive part and says all parameters of the active one."""
    return Coupling(split, mapping, network(split, mapping.n_parameters))
