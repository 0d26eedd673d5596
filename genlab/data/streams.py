"""Training batches as a pure function of the step.

A stream keeps no position: it can be entered at any step and always gives that step the same rows.
That is what makes a resumed run see exactly the data that an uninterrupted one sees.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from genlab.batch import Batch, concatenated
from genlab.randomness import generator
from genlab.targets.target import Target

__all__ = ["Blocks", "FreshSamples", "NoSamples", "Order", "ShuffledSet", "Stream"]

# Rows that are drawn at a time, and numbers: 64 MB, of large fields fewer rows.
ROWS = 2**15
NUMBERS = 2**24


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
    def _make(self, index: int) -> Any:
        """What stands for the rows of one block."""

    def _parts(self, start: int, stop: int) -> Iterator[tuple[Any, slice]]:
        """Blocks, and what of each belongs to rows ``start`` to ``stop - 1``."""
        for index in range(start // self.block, (stop - 1) // self.block + 1):
            before = index * self.block
            yield self._cached(index), slice(max(start - before, 0), stop - before)

    def _slice(self, start: int, stop: int) -> Tensor:
        """What stands for these rows, where a block is a tensor."""
        return torch.cat([block[rows] for block, rows in self._parts(start, stop)])


class FreshSamples(Blocks, Stream):
    """Samples that are drawn from a target once and never seen again.

    Args:
        target: What is sampled.
        seed: The run's seed.
        block: Number of rows that are drawn at a time; if None as many for points of any dimension,
            and as memory likes of fields.
    """

    def __init__(self, target: Target, *, seed: int, block: int | None = None) -> None:
        fields = len(target.event_shape) > 1
        fitting = max(1, min(ROWS, NUMBERS // math.prod(target.event_shape))) if fields else ROWS
        super().__init__(seed=seed, block=block or fitting)
        self.target = target

    def rows(self, start: int, stop: int) -> Batch:
        return concatenated([block.rows(rows) for block, rows in self._parts(start, stop)])

    def _make(self, index: int) -> Batch:
        return self.target.draw(self.block, generator=generator(self.seed, "train", index))


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
