"""Data that are known by rows in memory: some to learn from, some to validate and to test on."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import cached_property
from typing import NamedTuple, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch, rowwise
from genlab.bounds import NonNegativeInt
from genlab.data.module import DataModule, ModuleOptions
from genlab.data.streams import ShuffledSet, Stream

__all__ = ["FixedSets", "Sets"]


class Sets(NamedTuple):
    """Rows that do not overlap; ``test`` is None where none are kept for it."""

    train: Batch
    validation: Batch
    test: Batch | None


class FixedSets(DataModule):
    """A training set that is seen again and again, each time in another order.

    Args:
        seed: The run's seed.
        **options: Those of `DataModule`.
    """

    def __init__(self, *, seed: NonNegativeInt, **options: Unpack[ModuleOptions]) -> None:
        super().__init__(**options)
        self.seed = seed

    @abstractmethod
    def _read(self) -> Sets:
        """The sets, from wherever they lie."""

    @cached_property
    def sets(self) -> Sets:
        """The sets, read when first asked for: a model is used without them."""
        return self._read()

    @cached_property
    def stream(self) -> Stream:
        return ShuffledSet(self.training_set, seed=self.seed)

    @property
    def training_set(self) -> Batch:
        return self.sets.train

    @property
    def weights(self) -> Float[Tensor, " n"] | None:
        return self.training_set.weight

    @property
    def validation(self) -> Batch:
        return self.sets.validation

    @property
    def test(self) -> Batch | None:
        return self.sets.test

    @cached_property
    def scale(self) -> Float[Tensor, "*event"] | None:
        """The standard deviation of each column over the training rows: columns have their units,
        and the coarsest would be all that a distance tells of. One that is the same in all rows
        with weight keeps its own unit, and so do angles; None where there are no others.
        """
        if len(self.angles) == math.prod(self.event_shape):
            return None
        x, _, weight = self.training_set
        eps, x = torch.finfo(x.dtype).eps, x.double()
        share = (x.new_ones(len(x)) if weight is None else weight.double().abs()).to(x)
        share = rowwise(share / share.sum(), x)
        std = (share * (x - (share * x).sum(0)).square()).sum(0).sqrt()
        std = std.where(std > eps * (x.abs() * (share > 0)).amax(0), 1.0)
        std.view(-1)[list(self.angles)] = 1.0
        return std

    def first_rows(self, n: int = 10_000) -> Batch:
        return self.stream.rows(0, min(n, len(self.training_set.x)))
