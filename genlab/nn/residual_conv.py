"""Residual blocks of convolutions under time and context, and the network that is nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genlab.bounds import PositiveInt
from genlab.nn.context import Context
from genlab.nn.conv import convolution, last_convolution
from genlab.nn.image_velocity import ImageVelocity, ImageVelocityOptions
from genlab.nn.padding import Padding
from genlab.nn.velocity import Time

__all__ = ["Level", "ResidualConvNet", "norm"]


class ResidualConvNet(ImageVelocity):
    """Residual blocks of 3 x 3 convolutions at one resolution, for images and periodic fields.

    ``h = K_0 x``, then blocks as those of `UNet`, then ``v = K s(norm(h))``. With circular padding
    it commutes with translations of a field of any size.

    References: arXiv:2006.11239, arXiv:2105.05233.

    >>> import genlab, torch
    >>> velocity = genlab.nn.ResidualConvNet((1, 7, 7), width=8)
    >>> velocity(torch.randn(5, 1, 7, 7), torch.tensor(0.5)).shape
    torch.Size([5, 1, 7, 7])

    Args:
        event_shape: Channels, height and width of an image, or height and width of a grey one.
        width: Channels of the hidden layers.
        blocks: Residual blocks, of two convolutions each.
        padding: What lies around an image: ``zeros``, or ``circular``, itself again.
        embedding: Width of the embedding of time and context.
        **options: Those of `ImageVelocity`.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        width: PositiveInt = 32,
        blocks: PositiveInt = 3,
        padding: Padding = "circular",
        embedding: PositiveInt = 64,
        **options: Unpack[ImageVelocityOptions],
    ) -> None:
        super().__init__(event_shape, embedding=embedding, **options)
        self.first = convolution(self.channels_in, width, padding)
        self.level = Level(width, width, blocks, embedding, padding)
        self.norm = norm(width)
        self.last = last_convolution(width, self.shape[0], padding)

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        image, u = self.taken_in(x, t, context)
        v: Tensor = self.last(F.silu(self.norm(self.level(self.first(image), u))))
        return v.view_as(x)


class Level(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(
        self, fan_in: int, fan_out: int, blocks: int, embedding: int, padding: Padding
    ) -> None:
        super().__init__()
        widths = [fan_in, *[fan_out] * blocks]
        self.blocks = nn.ModuleList(Block(*pair, embedding, padding) for pair in pairwise(widths))

    def forward(
        self, h: Float[Tensor, "n i h w"], u: Float[Tensor, "n e"]
    ) -> Float[Tensor, "n o h w"]:
        for block in self.blocks:
            h = block(h, u)
        return h


class Block(nn.Module):
    """``h + conv(s(scale norm(conv(s(norm(h)))) + shift))``, scale and shift from ``u``."""

    def __init__(self, fan_in: int, fan_out: int, embedding: int, padding: Padding) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(fan_in), norm(fan_out)])
        self.first = convolution(fan_in, fan_out, padding)
        self.modulation = nn.Linear(embedding, 2 * fan_out)
        self.second = convolution(fan_out, fan_out, padding)
        self.skip = nn.Identity() if fan_in == fan_out else nn.Conv2d(fan_in, fan_out, 1)

    def forward(
        self, h: Float[Tensor, "n i h w"], u: Float[Tensor, "n e"]
    ) -> Float[Tensor, "n o h w"]:
        inner = self.first(F.silu(self.norms[0](h)))
        scale, shift = self.modulation(u)[..., None, None].chunk(2, 1)
        inner = self.second(F.silu(torch.addcmul(shift, self.norms[1](inner), 1 + scale)))
        result: Tensor = self.skip(h) + inner
        return result


def norm(channels: int) -> nn.GroupNorm:
    """At least two channels a group: one pixel of one channel has no spread."""
    return nn.GroupNorm(math.gcd(8, max(channels // 2, 1)), channels)
