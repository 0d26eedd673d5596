"""A set that is larger than memory, shuffled as it is read."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int

from genlab.batch import Batch, concatenated
from genlab.data.streams import Blocks, Order, Stream
from genlab.randomness import generator

__all__ = ["Rows", "ShuffledPools"]

SHARD, POOL = 2**16, 2**21
"""Numbers that are read in one piece, and that are shuffled together: 256 kB, 8 MB."""


class Rows(Protocol):
    """Rows of files."""

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """Channels, and points along both sides."""

    @property
    def context_dim(self) -> int:
        """How many numbers a row is given."""

    def read(
        self, rows: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "n c h h"], Float[np.ndarray, "n d"]]:
        """Some of them, by number, and the context of each."""


class ShuffledPools(Blocks, Stream):
    """Rows from disk, pass after pass, each pass in an order of its own.

    The rows are cut into shards of consecutive ones, which follow each other in a random order;
    those that share a pool are shuffled with each other. The cuts move from pass to pass, so that a
    few rows at the ends are left out now and then, and others come together.

    Args:
        source: What reads rows.
        chosen: The numbers of the rows of the set, in the order of the files.
        seed: The run's seed.
    """

    def __init__(self, source: Rows, chosen: Int[np.ndarray, " m"], *, seed: int) -> None:
        numbers = math.prod(source.event_shape) + source.context_dim
        self.shard = min(len(chosen), max(1, SHARD // numbers))
        shards = len(chosen) // self.shard
        pools = math.ceil(shards / max(1, POOL // (numbers * self.shard)))
        self.together = shards // pools
        self.shards = pools * self.together
        super().__init__(seed=seed, block=self.together * self.shard)
        self.source, self.chosen = source, chosen
        self.order = Order(self.shards, seed=seed)

    def rows(self, start: int, stop: int) -> Batch:
        return concatenated([pool.rows(rows) for pool, rows in self._parts(start, stop)])

    def _make(self, index: int) -> Batch:
        first, stop = index * self.together, (index + 1) * self.together
        shards = self.order.rows(first, stop).tolist()
        cuts = [self._first(number // self.shards) for number in range(first, stop)]
        read = []
        for shard, cut in zip(shards, cuts, strict=True):
            begin = cut + shard * self.shard
            read.append(self.source.read(self.chosen[begin : begin + self.shard]))
        x, context = (torch.from_numpy(np.concatenate(part)) for part in zip(*read, strict=True))
        mixed = torch.randperm(len(x), generator=generator(self.seed, "pool", index))
        return Batch(x, context if self.source.context_dim else None).rows(mixed)

    def _first(self, number: int) -> int:
        """Where the first shard of a pass begins."""
        spare = len(self.chosen) - self.shards * self.shard
        source = generator(self.seed, "cut", number)
        return int(torch.randint(spare + 1, (), generator=source))
