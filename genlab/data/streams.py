"""Training batches as a pure function of the step.

A stream keeps no position: it can be entered at any step and always gives that step the same rows.
That is what makes a resumed run see exactly the data that an uninterrupted one sees.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from genlab.batch import Batch
from genlab.randomness import generator
from genlab.targets.target import Target

__all__ = ["Blocks", "FreshSamples", "NoSamples", "Order", "ShuffledSet", "Stream"]


class Stream(ABC):
    """An endless sequence of rows, addressed by their number."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> Batch:
        """Rows ``start`` to ``stop - 1`` of the sequence, on the CPU."""


class Blocks(ABC):
    """An endless sequence of numbers that are made block by block.

    Args:
        seed: The run's seed.
        block: Rows in a block.
    """

    def __init__(self, *, seed: int, block: int) -> None:
        self.seed = seed
        self.block = block
        # Steps follow each other: what the next one needs is in the present block or the next.
        self._cached = lru_cache(maxsize=2)(self._make)

    @abstractmethod
    def _make(self, index: int) -> Shaped[Tensor, "block ..."]:
        """What stands for the rows of one block."""

    def _slice(self, start: int, stop: int) -> Shaped[Tensor, "n ..."]:
        """What stands for rows ``start`` to ``stop - 1``, from as many blocks as it takes."""
        first, last = start // self.block, (stop - 1) // self.block
        blocks = torch.cat([self._cached(index) for index in range(first, last + 1)])
        return blocks[start - first * self.block : stop - first * self.block]


class FreshSamples(Blocks, Stream):
    """Samples that are drawn from a target once and never seen again.

    Args:
        target: What is sampled.
        seed: The run's seed.
        block: Number of rows that are drawn at a time.
    """

    def __init__(self, target: Target, *, seed: int, block: int = 32768) -> None:
        super().__init__(seed=seed, block=block)
        self.target = target

    def rows(self, start: int, stop: int) -> Batch:
        return Batch(self._slice(start, stop))

    def _make(self, index: int) -> Float[Tensor, "block *event"]:
        return self.target.sample(self.block, generator=generator(self.seed, "train", index))


class NoSamples(Stream):
    """Rows without coordinates, for a target that has no samples: only their number counts."""

    def rows(self, start: int, stop: int) -> Batch:
        return Batch(torch.empty(stop - start, 0))


class Order(Blocks):
    """Numbers 0 to ``size - 1``, pass after pass, each pass in an order of its own.

    Args:
        size: How many there are.
        seed: The run's seed.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        super().__init__(seed=seed, block=size)

    def rows(self, start: int, stop: int) -> Int[Tensor, " n"]:
        """The ``start``-th to the ``stop - 1``-st number of the sequence."""
        return self._slice(start, stop)

    def _make(self, index: int) -> Int[Tensor, " block"]:
        return torch.randperm(self.block, generator=generator(self.seed, "order", index))


class ShuffledSet(Stream):
    """A set in memory, pass after pass, each pass in an order of its own.

    Args:
        data: The whole set.
        seed: The run's seed.
    """

    def __init__(self, data: Batch, *, seed: int) -> None:
        self.data = data
        self.order = Order(len(data.x), seed=seed)

    def rows(self, start: int, stop: int) -> Batch:
        return self.data.rows(self.order.rows(start, stop))
