"""Convolutional networks between images and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, prod
from typing import NotRequired, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.nn.constants import Constants
from genlab.nn.context import Context
from genlab.nn.mlp import ACTIVATIONS, Activation, NetworkOptions
from genlab.nn.padding import Padding, image_shape

__all__ = [
    "ConvDecoder",
    "ConvEncoder",
    "ConvNet",
    "ConvOptions",
    "GridNet",
    "convolution",
    "last_convolution",
    "with_context",
]


class ConvEncoder(nn.Module):
    """An image to a vector: convolutions, each of which halves the image, then an affine map.

    A context is given to every pixel, as constant channels beside the image's.

    Args:
        event_shape: ``(channels, height, width)``, of any height and width.
        out_features: Length of the vector.
        hidden: Channels after each halving.
        activation: Name of the nonlinearity.
        padding: What lies around an image: ``zeros``, or ``circular``, itself again.
        context_dim: Width of the context; 0 for none.
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        out_features: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        padding: Padding = "zeros",
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        colours, *size = event_shape
        widths = [colours + context_dim, *hidden]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [
                nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1, padding_mode=padding),
                ACTIVATIONS[activation](),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1] * prod(_halved(size, len(hidden))), out_features)

    def forward(self, x: Float[Tensor, "n c h w"], context: Context = None) -> Float[Tensor, "n o"]:
        output: Tensor = self.last(self.convolutions(with_context(x, context)).flatten(1))
        return output


class ConvDecoder(nn.Module):
    """A vector to several images: an affine map, then a convolution after each doubling.

    Doubling repeats pixels: the kernels of a transposed convolution overlap unevenly (Odena,
    Dumoulin, Olah, "Deconvolution and checkerboard artifacts", 2016).

    Args:
        in_features: Length of the vector.
        event_shape: ``(channels, height, width)``, of any height and width.
        arrays: P, the number of images.
        hidden: Channels before each doubling, from the largest image to the smallest.
        activation: Name of the nonlinearity.
        padding: What lies around an image: ``zeros``, or ``circular``, itself again.
        context_dim: Width of the context that is appended to the vector; 0 for none.

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
        padding: Padding = "zeros",
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        colours, *size = event_shape
        widths = [arrays * colours, *hidden]
        self.shape = (arrays, *event_shape)
        self.smallest = (widths[-1], *_halved(size, len(hidden)))
        self.first = nn.Linear(in_features + context_dim, prod(self.smallest))
        layers: list[nn.Module] = []
        for level in reversed(range(len(hidden))):
            layers += [
                ACTIVATIONS[activation](),
                nn.Upsample(size=_halved(size, level)),
                convolution(widths[level + 1], widths[level], padding),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.width = max(widths[:2]) * prod(size)

    def forward(
        self, z: Float[Tensor, "n l"], context: Context = None
    ) -> Float[Tensor, "n P c h w"]:
        if context is not None:
            z = torch.cat((z, context), dim=1)
        images = self.convolutions(self.first(z).unflatten(1, self.smallest))
        arrays: Tensor = images.unflatten(1, self.shape[:2])
        return arrays


def convolution(fan_in: int, fan_out: int, padding: Padding) -> nn.Conv2d:
    """One of 3 x 3 pixels."""
    return nn.Conv2d(fan_in, fan_out, 3, padding=1, padding_mode=padding)


def last_convolution(fan_in: int, fan_out: int, padding: Padding) -> nn.Conv2d:
    """One that starts at zero."""
    layer = convolution(fan_in, fan_out, padding)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def with_context(x: Float[Tensor, "n c h w"], context: Context) -> Float[Tensor, "n _ h w"]:
    """An image with its context beside it, as constant channels."""
    if context is None:
        return x
    return torch.cat((x, context[:, :, None, None].expand(-1, -1, *x.shape[2:])), dim=1)


def _halved(size: Sequence[int], times: int) -> tuple[int, ...]:
    """Height and width after so many halvings, each rounded up."""
    return tuple(ceil(side / 2**times) for side in size)


class ConvOptions(NetworkOptions):
    """The parts of a `ConvNet`, besides what comes in and goes out."""

    padding: NotRequired[Padding]


class ConvNet(nn.Sequential):
    """Convolutions, of 3 x 3 pixels at both ends and of 1 x 1 between hidden layers.

    Spatial extent comes from the ends, depth from the cheap middle (Kingma, Dhariwal, "Glow", 2018,
    section 4). A context is given to every pixel, as constant channels beside the image's.

    References: arXiv:1807.03039.

    >>> import genlab, torch
    >>> network = genlab.nn.ConvNet(2, 4, hidden=[16], activation="relu")
    >>> network(torch.randn(5, 2, 8, 8)).shape
    torch.Size([5, 4, 8, 8])

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        hidden: Channels of the hidden layers; empty for one affine map.
        activation: Name of the nonlinearity.
        padding: What lies around an image: ``zeros``, or ``circular``, itself again.
        context_dim: Width of the context; 0 for none.
        zero_last: Start from the zero function, so that a map parametrised by the output starts as
            the identity.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        padding: Padding = "zeros",
        context_dim: int = 0,
        zero_last: bool = False,
    ) -> None:
        widths = [in_channels + context_dim, *hidden]
        layers: list[nn.Module] = []
        for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
            side = 1 if index else 3
            layers += [
                nn.Conv2d(fan_in, fan_out, side, padding=side // 2, padding_mode=padding),
                ACTIVATIONS[activation](),
            ]
        last = last_convolution if zero_last else convolution
        super().__init__(*layers, last(widths[-1], out_channels, padding))

    def forward(
        self, x: Float[Tensor, "n i h w"], context: Context = None
    ) -> Float[Tensor, "n o h w"]:
        x = with_context(x, context)
        for layer in self:
            x = layer(x)
        return x


class GridNet(Constants):
    """Some of an array's numbers to P numbers for each of some others, by a `ConvNet`.

    The conditioner of a coupling whose split is a pattern on the array, such as a checkerboard: the
    network sees the numbers at their places, zeros elsewhere, and a channel that tells which are
    which. So arrays of any size are split, of odd sides too.

    References: arXiv:1605.08803.

    >>> import genlab, torch
    >>> network = genlab.nn.GridNet((1, 3, 3), [0, 2, 4], [1, 3], 2, hidden=[8], activation="relu")
    >>> network(torch.randn(5, 3)).shape
    torch.Size([5, 4])

    Args:
        event_shape: Channels, height and width of the array.
        seen: Places of the numbers that come in, counted row by row.
        asked: Places of those that something is said of.
        arrays: P.
        **layers: Those of `ConvNet`.

    Raises:
        ValueError: The event is no array of channels, height and width.
    """

    source: Int[Tensor, " d"]
    target: Int[Tensor, " b"]
    mask: Float[Tensor, "1 c h w"]

    def __init__(
        self,
        event_shape: tuple[int, ...],
        seen: Sequence[int],
        asked: Sequence[int],
        arrays: int,
        **layers: Unpack[ConvOptions],
    ) -> None:
        super().__init__()
        self.event_shape = image_shape("network=conv", event_shape, "mlp")
        self.seen, self.asked, self.arrays = tuple(seen), tuple(asked), arrays
        self.network = ConvNet(2 * event_shape[0], arrays * event_shape[0], **layers)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        # A place that nothing is known of takes the zero that is put behind the numbers.
        source = torch.full((prod(self.event_shape),), len(self.seen))
        source[list(self.seen)] = torch.arange(len(self.seen))
        known = (source < len(self.seen)).double().view(1, *self.event_shape)
        return {"source": source, "target": torch.tensor(self.asked), "mask": known}

    def forward(self, x: Float[Tensor, "n a"], context: Context = None) -> Float[Tensor, "n _"]:
        places = nn.functional.pad(x, (0, 1)).index_select(1, self.source)
        array = places.view(-1, *self.event_shape)
        array = torch.cat((array, self.mask.to(x.dtype).expand_as(array)), 1)
        output = self.network(array, context).view(len(x), self.arrays, len(self.source))
        numbers: Tensor = output.index_select(2, self.target)
        return numbers.flatten(1)
