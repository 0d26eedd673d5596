"""Convolutional networks between images and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.nn.mlp import ACTIVATIONS, Activation

__all__ = ["ConvDecoder", "ConvEncoder", "ConvNet", "with_context"]


class ConvEncoder(nn.Module):
    """An image to a vector: convolutions, each of which halves the image, then an affine map.

    A context is given to every pixel, as constant channels beside the image's.

    Args:
        event_shape: ``(channels, height, width)``, of any height and width.
        out_features: Length of the vector.
        hidden: Channels after each halving.
        activation: Name of the nonlinearity.
        context_dim: Width of the context; 0 for none.
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        out_features: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        colours, *size = event_shape
        widths = [colours + context_dim, *hidden]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [
                nn.Conv2d(fan_in, fan_out, kernel_size=3, stride=2, padding=1),
                ACTIVATIONS[activation](),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1] * prod(_halved(size, len(hidden))), out_features)

    def forward(
        self, x: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n o"]:
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
                nn.Conv2d(widths[level + 1], widths[level], kernel_size=3, padding=1),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.width = max(widths[:2]) * prod(size)

    def forward(
        self, z: Float[Tensor, "n l"], context: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n P c h w"]:
        if context is not None:
            z = torch.cat((z, context), dim=1)
        images = self.convolutions(self.first(z).unflatten(1, self.smallest))
        arrays: Tensor = images.unflatten(1, self.shape[:2])
        return arrays


def with_context(
    x: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None
) -> Float[Tensor, "n _ h w"]:
    """An image with its context beside it, as constant channels."""
    if context is None:
        return x
    return torch.cat((x, context[:, :, None, None].expand(-1, -1, *x.shape[2:])), dim=1)


def _halved(size: Sequence[int], times: int) -> tuple[int, ...]:
    """Height and width after so many halvings, each rounded up."""
    return tuple(ceil(side / 2**times) for side in size)


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
        context_dim: int = 0,
        zero_last: bool = False,
    ) -> None:
        widths = [in_channels + context_dim, *hidden]
        layers: list[nn.Module] = []
        for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
            side = 1 if index else 3
            layers += [
                nn.Conv2d(fan_in, fan_out, kernel_size=side, padding=side // 2),
                ACTIVATIONS[activation](),
            ]
        last = nn.Conv2d(widths[-1], out_channels, kernel_size=3, padding=1)
        if zero_last:
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)
        super().__init__(*layers, last)

    def forward(
        self, x: Float[Tensor, "n i h w"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n o h w"]:
        x = with_context(x, context)
        for layer in self:
            x = layer(x)
        return x
