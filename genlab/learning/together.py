"""Training several runs together: each has its own Trainer and callbacks, they share the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from genlab.batch import Chunk
from genlab.data.module import DataModule
from genlab.learning.gradient import ObjectiveLearner
from genlab.learning.interruption import Interruption
from genlab.learning.stack import Stack
from genlab.runs.directory import RunDirectory

__all__ = ["Member", "fit_together"]


@dataclass(eq=False)
class Member:
    """One of several runs that are trained together.

    Attributes:
        trainer: Its Trainer, which runs no loop here but holds callbacks, loggers and checkpoints.
        learner: What it trains.
        data: What it trains on.
        turn: The context of all that concerns this run alone; an error in it ends this run, and is
            not passed on.
        trains: Whether it is still training.
    """

    trainer: pl.Trainer
    learner: ObjectiveLearner
    data: DataModule
    turn: Callable[[], AbstractContextManager[None]]
    trains: bool = True

    def begin(self, device: torch.device, dtype: torch.dtype) -> None:
        """What Lightning does when a fit starts."""
        trainer: Any = self.trainer
        self.call("setup", "fit")
        self.learner.to(device, dtype).train()
        trainer.strategy.connect(self.learner)
        trainer.datamodule, self.data.trainer, self.learner.trainer = self.data, trainer, trainer
        trainer.strategy.optimizers = [self.learner.configure_optimizers()]
        self.learner.on_fit_start()

    def call(self, hook: str, *arguments: object) -> None:
        """Call a hook of each callback."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            getattr(callback, hook)(self.trainer, self.learner, *arguments)

    def next_chunk(self) -> Chunk:
        """The rows from the learner's step on, on its device."""
        chunk = next(iter(self.data.train_dataloader()))
        assert isinstance(chunk, Chunk)
        return chunk.cast(self.learner.device, self.learner.model.dtype)

    def validate(self) -> None:
        """Validate, and let the callbacks know."""
        self.learner.on_validation_epoch_start()
        for index, batch in enumerate(self.data.val_dataloader()):
            rows = batch.cast(self.learner.device, self.learner.model.dtype)
            self.learner.validation_step(rows, index)
        self.trainer.callback_metrics.update(self.learner.validation_means())
        self.call("on_validation_end")

    def save(self) -> None:
        """Save all that is needed to go on."""
        self.trainer.save_checkpoint(RunDirectory(Path(self.trainer.default_root_dir)).last)

    def end(self) -> None:
        """What Lightning does when a fit is over."""
        self.call("on_train_end")
        self.learner.on_fit_end()
        self.trains = False


def fit_together(
    members: Sequence[Member],
    interruption: Interruption,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Train until no member trains any more.

    A member that ends early, by its own patience or by an error, leaves the others alone. A signal
    lets all of them save after the present step.

    Args:
        members: The runs, of models of one shape.
        interruption: Where signals are noticed.
        device: Where they are trained.
        dtype: In which type.

    Raises:
        Interrupted: A signal stopped them.
    """
    for member in members:
        with member.turn():
            member.begin(device, dtype)
    stack = Stack([member.learner for member in members])

    def stop_all() -> None:
        for member in members:
            member.learner.request_stop()

    interruption.defer_to(stop_all)
    for member in members:
        with member.turn():
            member.call("on_train_start")
    while training := [member for member in members if member.trains]:
        _take_chunk(stack, training)
        going = [member for member in training if member.trains]
        for member in going:
            with member.turn():
                _validate_or_end(member)
        if interruption.received is not None:
            for member in going:
                with member.turn():
                    member.save()
            break
    interruption.stop_deferring()


def _take_chunk(stack: Stack, members: Sequence[Member]) -> None:
    chunks = {member: member.next_chunk() for member in members}
    for member, chunk in chunks.items():
        with member.turn():
            member.call("on_train_batch_start", chunk, 0)
    stack.take({member.learner: chunk for member, chunk in chunks.items()})
    for member, chunk in chunks.items():
        with member.turn():
            member.call("on_train_batch_end", None, chunk, 0)


def _validate_or_end(member: Member) -> None:
    """Validate where a run by itself would, and let it end where it would."""
    if member.learner.is_to_validate:
        member.validate()
    if member.trainer.should_stop:
        member.end()
