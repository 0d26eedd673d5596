"""The U-Net that is a velocity of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.nn.velocity import TimeEmbedding, Velocity

__all__ = ["UNet"]


class UNet(Velocity):
    """Residual blocks on halved and halved images, and back up beside copies of the way down.

    Time and context shift and scale each block's channels (Ho, Jain, Abbeel, "Denoising diffusion
    probabilistic models", 2020; Dhariwal, Nichol, "Diffusion models beat GANs on image synthesis",
    2021). The last convolution starts at zero: so does the velocity.

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
        embedding: Width of the embedding of time and context.
        frequencies: Number of frequencies that time is told by.
        condition_shape: Shape of an image that the first numbers of the context are, which is
            brought to full size and laid beside the channels; empty where the context is no image.
        context_dim: Width of the context; 0 for none.

    Raises:
        ValueError: The shapes are not those of images, or the context is too short for one.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        channels: Sequence[PositiveInt] = (32, 64, 64),
        blocks: PositiveInt = 1,
        embedding: PositiveInt = 128,
        frequencies: PositiveInt = 8,
        condition_shape: Sequence[PositiveInt] = (),
        context_dim: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        if not channels:
            raise ValueError("channels: expected at least one resolution")
        depth = _image_shape("event_shape", event_shape)[0]
        self.condition = _image_shape("condition_shape", condition_shape) if condition_shape else ()
        pixels = math.prod(self.condition) if self.condition else 0
        if pixels > context_dim:
            raise ValueError(
                f"condition_shape={list(condition_shape)}: {pixels} numbers, but the context has "
                f"{context_dim}"
            )
        time = TimeEmbedding(frequencies)
        self.time = time
        self.embed = nn.Sequential(
            nn.Linear(time.dim + context_dim - pixels, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
            nn.SiLU(),
        )
        beside = self.condition[0] if self.condition else 0
        self.first = nn.Conv2d(depth + beside, channels[0], 3, padding=1)
        widths = [channels[0], *channels]
        self.down = nn.ModuleList(
            Level(fan_in, fan_out, blocks, embedding) for fan_in, fan_out in pairwise(widths)
        )
        self.middle = Level(channels[-1], channels[-1], 1, embedding)
        # Each stage up sees the one below it and the copy from the way down.
        below = [channels[-1], *reversed(channels[1:])]
        self.up = nn.ModuleList(
            Level(low + copy, copy, blocks, embedding)
            for low, copy in zip(below, reversed(channels), strict=True)
        )
        self.norm = _norm(channels[0])
        self.last = nn.Conv2d(channels[0], depth, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(
        self,
        x: Float[Tensor, "n *event"],
        t: Float[Tensor, ""] | Float[Tensor, " n"],
        context: Float[Tensor, "n c"] | None = None,
    ) -> Float[Tensor, "n *event"]:
        image = x if x.ndim == 4 else x.unsqueeze(1)
        h, u = self.first(self._beside(image, context)), self._embed(t, context, len(x))
        copies = []
        for index, stage in enumerate(self.down):
            h = stage(F.avg_pool2d(h, 2, ceil_mode=True) if index else h, u)
            copies.append(h)
        h = self.middle(h, u)
        for stage, copy in zip(self.up, reversed(copies), strict=True):
            h = stage(torch.cat((_resized(h, copy.shape[-2:]), copy), 1), u)
        v: Tensor = self.last(F.silu(self.norm(h)))
        return v.view_as(x)

    def _embed(
        self,
        t: Float[Tensor, ""] | Float[Tensor, " n"],
        context: Float[Tensor, "n c"] | None,
        n: int,
    ) -> Float[Tensor, "n e"]:
        u = self.time(t).expand(n, -1)
        if context is not None:
            u = torch.cat((u, context[:, math.prod(self.condition) if self.condition else 0 :]), 1)
        embedded: Tensor = self.embed(u)
        return embedded

    def _beside(
        self, image: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None
    ) -> Float[Tensor, "n _ h w"]:
        if not self.condition or context is None:
            return image
        given = context[:, : math.prod(self.condition)].view(-1, *self.condition)
        return torch.cat((image, _resized(given, image.shape[-2:])), 1)


class Level(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(self, fan_in: int, fan_out: int, blocks: int, embedding: int) -> None:
        super().__init__()
        widths = [fan_in, *[fan_out] * blocks]
        self.blocks = nn.ModuleList(Block(*pair, embedding) for pair in pairwise(widths))

    def forward(
        self, h: Float[Tensor, "n i h w"], u: Float[Tensor, "n e"]
    ) -> Float[Tensor, "n o h w"]:
        for block in self.blocks:
            h = block(h, u)
        return h


class Block(nn.Module):
    """``h + conv(s(scale norm(conv(s(norm(h)))) + shift))``, scale and shift from ``u``."""

    def __init__(self, fan_in: int, fan_out: int, embedding: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([_norm(fan_in), _norm(fan_out)])
        self.first = nn.Conv2d(fan_in, fan_out, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * fan_out)
        self.second = nn.Conv2d(fan_out, fan_out, 3, padding=1)
        self.skip = nn.Identity() if fan_in == fan_out else nn.Conv2d(fan_in, fan_out, 1)

    def forward(
        self, h: Float[Tensor, "n i h w"], u: Float[Tensor, "n e"]
    ) -> Float[Tensor, "n o h w"]:
        inner = self.first(F.silu(self.norms[0](h)))
        scale, shift = self.modulation(u)[..., None, None].chunk(2, 1)
        inner = self.second(F.silu(torch.addcmul(shift, self.norms[1](inner), 1 + scale)))
        result: Tensor = self.skip(h) + inner
        return result


def _norm(channels: int) -> nn.GroupNorm:
    # At least two channels a group: one pixel of one channel has no spread.
    return nn.GroupNorm(math.gcd(8, max(channels // 2, 1)), channels)


def _resized(h: Float[Tensor, "n c h w"], size: Sequence[int]) -> Float[Tensor, "n c _ _"]:
    """To another size, each new pixel a copy of the one that it lies in."""
    return h if h.shape[-2:] == tuple(size) else F.interpolate(h, size=tuple(size), mode="nearest")


def _image_shape(key: str, shape: Sequence[int]) -> tuple[int, ...]:
    if len(shape) not in (2, 3):
        raise ValueError(f"{key}: a U-Net works on images, [channels, height, width], not on "
                         f"{list(shape)}; for points take `ResidualMLP`")  # fmt: skip
    return tuple(shape) if len(shape) == 3 else (1, *shape)
