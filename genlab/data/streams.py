"""Training batches as a pure function of the step.

A stream keeps no position: it can be entered at any step and always gives that step the same rows.
That is what makes a resumed run see exactly the data that an uninterrupted one sees.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from genlab.batch import Batch
from genlab.randomness import generator
from genlab.targets.target import Target

__all__ = ["FreshSamples", "ShuffledSet", "Stream"]


class Stream(ABC):
    """An endless sequence of rows, addressed by their number."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> Batch:
        """Rows ``start`` to ``stop - 1`` of the sequence, on the CPU."""


class FreshSamples(Stream):
    """Samples that are drawn from a target once and never seen again.

    Args:
        target: What is sampled.
        seed: The run's seed.
        block: Number of rows that are drawn at a time.
    """

    def __init__(self, target: Target, *, seed: int, block: int = 32768) -> None:
        self.target = target
        self.seed = seed
        self.block = block
        self._block = lru_cache(maxsize=2)(self._draw)

    def rows(self, start: int, stop: int) -> Batch:
        first, last = start // self.block, (stop - 1) // self.block
        blocks = torch.cat([self._block(index) for index in range(first, last + 1)])
        offset = first * self.block
        return Batch(blocks[start - offset : stop - offset])

    def _draw(self, index: int) -> Tensor:
        return self.target.sample(self.block, generator=generator(self.seed, "train", index))


class ShuffledSet(Stream):
    """A set in memory, pass after pass, each pass in an order of its own.

    Args:
        data: The whole set.
        seed: The run's seed.
    """

    def __init__(self, data: Batch, *, seed: int) -> None:
        self.data = data
        self.seed = seed
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def rows(self, start: int, stop: int) -> Batch:
        size = len(self.data.x)
        first, last = start // size, (stop - 1) // size
        order = torch.cat([self._order(index) for index in range(first, last + 1)])
        offset = first * size
        return self.data.rows(order[start - offset : stop - offset])

    def _shuffle(self, index: int) -> Int[Tensor, " n"]:
        return torch.randperm(len(self.data.x), generator=generator(self.seed, "order", index))
