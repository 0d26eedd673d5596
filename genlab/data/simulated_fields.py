"""Fields that a simulation made once, and that symmetries of their law make many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Unpack

import torch

from genlab.batch import Batch, concatenated
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.data.field_data import FieldData, FieldOptions
from genlab.data.streams import Blocks, FreshSamples, ShuffledSet, Stream
from genlab.fields import ModeClasses, Symmetries
from genlab.randomness import generator
from genlab.targets.simulated import SimulatedTarget

__all__ = ["MovedSet", "SimulatedFields", "SimulationOptions"]


class SimulationOptions(FieldOptions):
    """The options of `FieldData`, and of the set that a simulation makes."""

    condition_shape: Sequence[PositiveInt]
    alike: ModeClasses | None
    symmetries: bool
    root: str | None
    set_seed: NonNegativeInt


# Numbers that are moved at once, and symmetries that are drawn at once: both powers of 2.
NUMBERS, CHANCES = 2**20, 2**14


class SimulatedFields(FieldData):
    """Fields of a simulated law, kept in files; each is seen as some symmetry moves it.

    Runs of every seed see the same fields, in an order and moved in ways of their own.

    Args:
        target: The law.
        context_dim: Length of the context that a field comes with; 0 for none.
        condition_shape: As in `FieldData`.
        alike: The modes that share a variance, as in `FieldData`.
        symmetries: Move each training field, at each sight, by a symmetry of its law.
        root: The folder of all kept sets; None to keep none.
        set_seed: Of the simulated fields.
        **options: Those of `FieldData`; an endless stream, where ``train_size`` is None, is
            simulated while a model waits.

    Raises:
        UserError: The target's fields are of another shape or come with another context.
    """

    target: SimulatedTarget

    def __init__(
        self,
        target: SimulatedTarget,
        *,
        context_dim: NonNegativeInt,
        condition_shape: Sequence[PositiveInt],
        alike: ModeClasses | None,
        symmetries: bool,
        root: str | None,
        set_seed: NonNegativeInt,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(
            target,
            context_dim=context_dim,
            condition_shape=condition_shape,
            alike=alike,
            **options,
        )
        target.root = root
        self.symmetries = symmetries
        self.set_seed = set_seed

    @cached_property
    def stream(self) -> Stream:
        if self.training_set is None:
            # Steps wait for no more than a chunk.
            return FreshSamples(self.target, seed=self.seed, block=self.target.chunk)
        if not self.symmetries:
            return super().stream
        return MovedSet(self.training_set, self.target.symmetries, seed=self.seed)

    def _draw(self, purpose: str, n: int) -> Batch:
        return self.target.kept(purpose, n, seed=self.set_seed)


class MovedSet(Blocks, Stream):
    """A set in memory, pass after pass, each row moved by a symmetry at each sight.

    Rows are moved in blocks that begin at fixed numbers: how a Fourier transform rounds depends on
    how many fields it is given.

    Args:
        data: The whole set.
        symmetries: Of its law.
        seed: The run's seed.
    """

    def __init__(self, data: Batch, symmetries: Symmetries, *, seed: int) -> None:
        fitting = max(1, NUMBERS // math.prod(data.x.shape[1:]))
        super().__init__(seed=seed, block=min(CHANCES, 2 ** (fitting.bit_length() - 1)))
        self.shuffled = ShuffledSet(data, seed=seed)
        self.symmetries = symmetries

    def rows(self, start: int, stop: int) -> Batch:
        return concatenated([block.rows(rows) for block, rows in self._parts(start, stop)])

    def _make(self, index: int) -> Batch:
        start = index * self.block
        source = generator(self.seed, "symmetry", start // CHANCES)
        chance = torch.rand(CHANCES, 3, generator=source)[start % CHANCES :][: self.block]
        batch = self.shuffled.rows(start, start + self.block)
        return batch._replace(x=self.symmetries.moved(batch.x, chance))
