"""Fields that a simulation made once, and that symmetries of their law make many."""

from __future__ import annotations

from functools import cached_property
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import NonNegativeInt
from genlab.data.field_data import FieldData, FieldOptions
from genlab.data.streams import Blocks, ShuffledSet, Stream
from genlab.fields import ModeClasses, Symmetries
from genlab.randomness import generator
from genlab.targets.simulated import SimulatedTarget

__all__ = ["MovedSet", "SimulatedFields", "SimulationOptions"]


class SimulationOptions(FieldOptions):
    """The options of `FieldData`, and of the set that a simulation makes."""

    alike: ModeClasses | None
    symmetries: bool
    root: str | None
    set_seed: NonNegativeInt


class SimulatedFields(FieldData):
    """Fields of a simulated law, kept in files; each is seen as some symmetry moves it.

    Runs of every seed see the same fields, in an order and moved in ways of their own.

    Args:
        target: The law.
        context_dim: Length of the context that a field comes with; 0 for none.
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
        alike: ModeClasses | None,
        symmetries: bool,
        root: str | None,
        set_seed: NonNegativeInt,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(target, context_dim=context_dim, alike=alike, **options)
        target.root = root
        self.symmetries = symmetries
        self.set_seed = set_seed

    @cached_property
    def stream(self) -> Stream:
        if self.training_set is None or not self.symmetries:
            return super().stream
        return MovedSet(self.training_set, self.target.symmetries, seed=self.seed)

    def _draw(self, purpose: str, n: int) -> Batch:
        return self.target.kept(purpose, n, seed=self.set_seed)


class MovedSet(Blocks, Stream):
    """A set in memory, pass after pass, each row moved by a symmetry at each sight.

    Args:
        data: The whole set.
        symmetries: Of its law.
        seed: The run's seed.
    """

    def __init__(self, data: Batch, symmetries: Symmetries, *, seed: int) -> None:
        super().__init__(seed=seed, block=2**14)
        self.shuffled = ShuffledSet(data, seed=seed)
        self.symmetries = symmetries

    def rows(self, start: int, stop: int) -> Batch:
        batch = self.shuffled.rows(start, stop)
        return batch._replace(x=self.symmetries.moved(batch.x, self._slice(start, stop)))

    def _make(self, index: int) -> Float[Tensor, "block 3"]:
        return torch.rand(self.block, 3, generator=generator(self.seed, "symmetry", index))
