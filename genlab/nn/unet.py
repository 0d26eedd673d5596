"""The U-Net that is a velocity of images."""

from __future__ import annotations

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
from genlab.nn.image_velocity import ImageVelocity, ImageVelocityOptions, resized
from genlab.nn.padding import Padding
from genlab.nn.residual_conv import Level, norm
from genlab.nn.velocity import Time
from genlab.nn.waves import SpectralResize

__all__ = ["UNet"]


class UNet(ImageVelocity):
    """Residual blocks on halved and halved images, and back up beside copies of the way down.

    Time and context shift and scale each block's channels (Ho, Jain, Abbeel, "Denoising diffusion
    probabilistic models", 2020; Dhariwal, Nichol, "Diffusion models beat GANs on image synthesis",
    2021). The last convolution starts at zero: so does the velocity.

    With circular padding, sides are halved and doubled by `SpectralResize`, to odd numbers of
    points, which commutes with every translation; what is left of a dependence on the place is the
    aliasing of the activations.

    References: arXiv:1505.04597, arXiv:2006.11239, arXiv:2105.05233.

    >>> import genlab, torch
    >>> velocity = genlab.nn.UNet((1, 8, 8), channels=[8, 8])
    >>> velocity(torch.randn(5, 1, 8, 8), torch.tensor(0.5)).shape
    torch.Size([5, 1, 8, 8])

    Args:
        event_shape: Channels, height and width of an image, or height and width of a grey one.
        channels: Channels at each resolution, the full one first; sides are halved, rounded up,
            from one to the next.
        blocks: Residual blocks at each resolution, on either way.
        padding: What lies around an image: ``zeros``, or ``circular``, itself again.
        embedding: Width of the embedding of time and context.
        **options: Those of `ImageVelocity`.

    Raises:
        ValueError: The shapes are not those of images, or the context is too short for one.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        channels: Sequence[PositiveInt] = (32, 64, 64),
        blocks: PositiveInt = 1,
        padding: Padding = "zeros",
        embedding: PositiveInt = 128,
        **options: Unpack[ImageVelocityOptions],
    ) -> None:
        super().__init__(event_shape, embedding=embedding, **options)
        if not channels:
            raise ValueError("channels: expected at least one resolution")
        self.first = convolution(self.channels_in, channels[0], padding)
        widths = [channels[0], *channels]
        self.down = nn.ModuleList(
            Level(*pair, blocks, embedding, padding) for pair in pairwise(widths)
        )
        self.middle = Level(channels[-1], channels[-1], 1, embedding, padding)
        # Each stage up sees the one below it and the copy from the way down.
        below = [channels[-1], *reversed(channels[1:])]
        self.up = nn.ModuleList(
            Level(low + copy, copy, blocks, embedding, padding)
            for low, copy in zip(below, reversed(channels), strict=True)
        )
        self.norm = norm(channels[0])
        self.last = last_convolution(channels[0], self.shape[0], padding)
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        size: tuple[int, ...] = self.shape[1:]
        for _ in channels[1:] if padding == "circular" else ():
            smaller = tuple(-(-side // 2) | 1 for side in size)
            self.shrink.append(SpectralResize(size, smaller))
            self.grow.insert(0, SpectralResize(smaller, size))
            size = smaller

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        image, u = self.taken_in(x, t, context)
        h, copies = self.first(image), list[Tensor]()
        for index, stage in enumerate(self.down):
            h = stage(self._halved(h, index) if index else h, u)
            copies.append(h)
        h = self.middle(h, u)
        for index, (stage, copy) in enumerate(zip(self.up, reversed(copies), strict=True)):
            h = stage(torch.cat((self._doubled(h, index, copy) if index else h, copy), 1), u)
        v: Tensor = self.last(F.silu(self.norm(h)))
        return v.view_as(x)

    def _halved(self, h: Float[Tensor, "n c h w"], index: int) -> Float[Tensor, "n c _ _"]:
        if not self.shrink:
            return F.avg_pool2d(h, 2, ceil_mode=True)
        smaller: Tensor = self.shrink[index - 1](h)
        return smaller

    def _doubled(
        self, h: Float[Tensor, "n c h w"], index: int, copy: Float[Tensor, "n k u v"]
    ) -> Float[Tensor, "n c u v"]:
        if not self.grow:
            return resized(h, copy.shape[-2:])
        larger: Tensor = self.grow[index - 1](h)
        return larger
