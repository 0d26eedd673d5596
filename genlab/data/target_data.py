"""Data drawn from a target distribution."""

from __future__ import annotations

from functools import cached_property
from typing import Unpack

from genlab.batch import Batch
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.data.module import DataModule, ModuleOptions
from genlab.data.streams import FreshSamples, NoSamples, ShuffledSet, Stream
from genlab.densities.density import Circular
from genlab.errors import UserError
from genlab.randomness import generator
from genlab.targets.rough import rough_samples
from genlab.targets.target import Target

__all__ = ["TargetData"]


class TargetData(DataModule):
    """Samples of a target: an endless stream of fresh ones, or a set of a chosen size.

    A target that is known by its density only gives rows without coordinates, and rough samples to
    start a model from.

    The sets for validation and test come from generators of their own: they overlap with nothing
    that is trained on.

    Args:
        target: The distribution.
        train_size: Number of training samples; None for an endless stream of fresh ones.
        val_size: Number of samples to validate on.
        test_size: Number of samples to test on.
        seed: The run's seed.
        angles: Coordinates that are angles.
        **options: Those of `DataModule`.

    Raises:
        UserError: The target's samples have another shape, others of its coordinates are angles, or
            it has none to make a set of.
    """

    target: Target

    def __init__(
        self,
        target: Target,
        *,
        train_size: PositiveInt | None,
        val_size: PositiveInt,
        test_size: PositiveInt,
        seed: NonNegativeInt,
        angles: Circular = (),
        **options: Unpack[ModuleOptions],
    ) -> None:
        super().__init__(**options)
        if target.event_shape != self.event_shape:
            raise UserError(
                f"event_shape={list(self.event_shape)}: the target's samples have shape "
                f"{list(target.event_shape)}; set `dim={target.event_shape[0]}`"
            )
        if train_size is not None and not target.has_samples:
            raise UserError(f"train_size={train_size}: the target has no samples; leave it null")
        self.angles = target.angles if angles == "all" else tuple(angles)
        if self.angles and set(self.angles) != set(target.angles):
            raise UserError(f"angles={list(self.angles)}: the target's are {list(target.angles)}")
        self.target = target
        self.quantity = target.quantity
        self.columns, self.degrees = target.coordinates, target.degrees
        self.train_size = train_size
        self.val_size = val_size
        self.test_size = test_size
        self.seed = seed

    @property
    def remarks(self) -> tuple[str, ...]:
        return self.target.remarks

    @cached_property
    def stream(self) -> Stream:
        if not self.target.has_samples:
            return NoSamples()
        if self.training_set is None:
            return FreshSamples(self.target, seed=self.seed)
        return ShuffledSet(self.training_set, seed=self.seed)

    @cached_property
    def training_set(self) -> Batch | None:
        return None if self.train_size is None else self._draw("train", self.train_size)

    @cached_property
    def validation(self) -> Batch:
        if not self.target.has_samples:
            return self.stream.rows(0, self.val_size)
        return self._draw("validation", self.val_size)

    @cached_property
    def test(self) -> Batch | None:
        return self._draw("test", self.test_size) if self.target.has_samples else None

    def first_rows(self, n: int = 10_000) -> Batch:
        if not self.target.has_samples:
            return Batch(rough_samples(self.target, n, generator=generator(self.seed, "start")))
        return self.stream.rows(0, n if self.train_size is None else min(n, self.train_size))

    def _draw(self, purpose: str, n: int) -> Batch:
        return self.target.draw(n, generator=generator(self.seed, purpose))
