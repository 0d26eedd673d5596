"""What Lightning's loop runs over in a solve: steps without data, since the points are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lightning.pytorch as pl

from genlab.bounds import PositiveInt
from genlab.data.module import chunk_ends

__all__ = ["Collocation"]


class Collocation(pl.LightningDataModule):
    """Steps on the points that the solver itself holds.

    Args:
        event_shape: Shape of a point, which the sampler's model takes from here.
    """

    def __init__(self, *, event_shape: Sequence[PositiveInt]) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)

    def train_dataloader(self) -> _Chunks:
        return _Chunks(self)

    def val_dataloader(self) -> _Once:
        return _Once()


class _Chunks:
    """The chunks from the learner's step up to its next validation."""

    def __init__(self, data: Collocation) -> None:
        self.data = data

    def __iter__(self) -> Iterator[_Steps]:
        trainer = self.data.trainer
        assert trainer is not None
        learner: Any = trainer.lightning_module
        step = learner.step
        for end in chunk_ends(step, learner.settings):
            yield _Steps(end - step)
            step = end


class _Once:
    """One empty batch: a validation, on points that the solver knows."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[None]:
        return iter([None])


class _Steps:
    """So many steps, each without a batch."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def batches(self) -> Iterator[None]:
        return iter([None] * self.steps)
