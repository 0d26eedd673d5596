"""Images as training sees them: shuffled, and made numbers anew at each sight."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from genlab.batch import Batch
from genlab.data.streams import Blocks, Order, Stream
from genlab.randomness import generator

__all__ = ["ImageStream", "Render", "uniform"]

Render = Callable[[UInt8[Tensor, "n c h w"], Float[Tensor, "n c h w"]], Float[Tensor, "n c h w"]]
"""From the levels of images and uniform noise to the numbers that a model sees."""

# Numbers of noise that are drawn at a time: 2 MB.
BLOCK = 2**19


class ImageStream(Blocks, Stream):
    """A set of images, pass after pass, each in an order and with noise of its own.

    Order and noise are functions of the row's number alone, as in every stream.

    Args:
        levels: The images.
        render: What makes numbers of them.
        context: What each is conditioned on, or None.
        seed: The run's seed.
    """

    def __init__(
        self,
        levels: UInt8[Tensor, "n c h w"],
        render: Render,
        context: Shaped[Tensor, "n ..."] | None,
        *,
        seed: int,
    ) -> None:
        self.size = levels.shape[1:]
        super().__init__(seed=seed, block=max(1, BLOCK // math.prod(self.size)))
        self.levels, self.render, self.context = levels, render, context
        self.order = Order(len(levels), seed=seed)

    def rows(self, start: int, stop: int) -> Batch:
        index = self.order.rows(start, stop)
        x = self.render(self.levels[index], self._slice(start, stop))
        return Batch(x, None if self.context is None else self.context[index])

    def _make(self, index: int) -> Float[Tensor, "block c h w"]:
        return uniform((self.block, *self.size), generator(self.seed, "dequantise", index))


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Uniform numbers in (0, 1), the midpoints of ``2^15`` cells.

    Four from one draw: a third of the time of `torch.rand`. Finer ones would be rounded in float32
    as soon as a level of 255 is added to them, the largest to the next level.
    """
    count = math.prod(shape)
    draws = torch.empty(-(-count // 4), dtype=torch.int64)
    draws.random_(-(2**63), None, generator=generator)
    u = draws.view(torch.int16)[:count].bitwise_and_(2**15 - 1).float()
    return u.add_(0.5).mul_(2.0**-15).view(shape)
