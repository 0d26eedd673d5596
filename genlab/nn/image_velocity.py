"""The base of velocities of images: time, context, and an image that they are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.nn.context import Context
from genlab.nn.padding import image_shape
from genlab.nn.velocity import Time, TimeEmbedding, Velocity

__all__ = ["ImageVelocity", "ImageVelocityOptions", "resized"]


class ImageVelocityOptions(TypedDict, total=False):
    """Options of a velocity of images that go to `ImageVelocity`, where their defaults stand."""

    frequencies: PositiveInt
    condition_shape: Sequence[PositiveInt]
    context_dim: NonNegativeInt


class ImageVelocity(Velocity):
    """A velocity of images, or of periodic fields, as channels, height and width.

    References: arXiv:2006.11239.

    >>> import genlab
    >>> isinstance(genlab.nn.UNet((1, 8, 8)), genlab.nn.ImageVelocity)
    True

    Args:
        event_shape: Channels, height and width of an image, or height and width of a grey one.
        embedding: Width of the embedding of time and context.
        frequencies: Number of frequencies that time is told by.
        condition_shape: Shape of an image that the first numbers of the context are, which is
            brought to full size and laid beside the channels; empty where the context is no image.
        context_dim: Width of the context; 0 for none.

    Raises:
        ValueError: The shapes are not those of images, or the context is too short for one.

    Attributes:
        shape: Channels, height and width.
        channels_in: Channels of the image and of the one that is laid beside it.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        embedding: PositiveInt,
        frequencies: PositiveInt = 8,
        condition_shape: Sequence[PositiveInt] = (),
        context_dim: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.shape = _shape("event_shape", event_shape)
        self.condition = _shape("condition_shape", condition_shape) if condition_shape else ()
        self.pixels = math.prod(self.condition) if self.condition else 0
        if self.pixels > context_dim:
            raise ValueError(
                f"condition_shape={list(condition_shape)}: {self.pixels} numbers, but the context "
                f"has {context_dim}"
            )
        time = TimeEmbedding(frequencies)
        self.time = time
        self.embed = nn.Sequential(
            nn.Linear(time.dim + context_dim - self.pixels, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
            nn.SiLU(),
        )
        self.channels_in = self.shape[0] + (self.condition[0] if self.condition else 0)

    def square_side(self, kind: str, event_shape: Sequence[int]) -> int:
        """Points a side of what is a square.

        Args:
            kind: What asks for one, with its article.
            event_shape: As it was given.

        Raises:
            ValueError: It is none.
        """
        _, height, side = self.shape
        if height != side:
            raise ValueError(
                f"event_shape: {kind} works on square fields, not on {list(event_shape)}; "
                "for others take `ResidualConvNet`"
            )
        return side

    def taken_in(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context
    ) -> tuple[Float[Tensor, "n i h w"], Float[Tensor, "n e"]]:
        """The image with the one that is given beside it, and what time and context say."""
        image = x if x.ndim == 4 else x.unsqueeze(1)
        u = self.time(t).expand(len(x), -1)
        if context is not None:
            u = torch.cat((u, context[:, self.pixels :]), 1)
        if self.condition and context is not None:
            given = context[:, : self.pixels].view(-1, *self.condition)
            image = torch.cat((image, resized(given, image.shape[-2:])), 1)
        return image, self.embed(u)


def _shape(key: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width; of a grey image one channel."""
    return image_shape(key, (1, *shape) if len(shape) == 2 else tuple(shape), "`ResidualMLP`")


def resized(h: Float[Tensor, "n c h w"], size: Sequence[int]) -> Float[Tensor, "n c _ _"]:
    """To another size, each new pixel a copy of the one that it lies in."""
    return h if h.shape[-2:] == tuple(size) else F.interpolate(h, size=tuple(size), mode="nearest")
