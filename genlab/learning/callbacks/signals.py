"""A signal ends the training with everything saved: between two steps, or in what takes longer."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.errors import Interrupted
from genlab.learning.interruption import Interruption
from genlab.learning.learner import Learner
from genlab.runs.directory import RunDirectory

__all__ = ["StopOnSignal"]


class StopOnSignal(Callback):
    """Lets a first signal wait for the present step, then saves and raises `Interrupted`.

    What takes longer than a step, as a validation, does not let it wait, and is done anew when the
    run goes on. Several processes stop together, so that a validation that is due is waited for:
    it saves the step when it ends.

    Args:
        interruption: Where signals are noticed.
    """

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption
        self._validates_first = False

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        # Lightning has put its own handlers over these by now.
        self.interruption.install()
        self.interruption.defer_to(partial(self._request, trainer, learner))

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        assert isinstance(learner, Learner)
        # Asked of the learner: a signal to one of several processes stops them all.
        validates = learner.stop_requested and learner.is_to_validate
        self._validates_first = validates and trainer.world_size > 1
        learner.owes_validation = validates
        if learner.stop_requested and not self._validates_first:
            trainer.save_checkpoint(RunDirectory(Path(trainer.default_root_dir)).last)
            self._stop()

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if self._validates_first:
            self._stop()

    def on_exception(
        self, trainer: pl.Trainer, learner: pl.LightningModule, exception: BaseException
    ) -> None:
        assert isinstance(learner, Learner)
        undo = _undo(trainer, learner)
        if undo is not None and isinstance(exception, Interrupted):
            undo()
            trainer.save_checkpoint(RunDirectory(Path(trainer.default_root_dir)).last)

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.interruption.stop_deferring()

    def _request(self, trainer: pl.Trainer, learner: Learner) -> None:
        """Let the signal wait for the step, unless what goes on can be undone."""
        if _undo(trainer, learner) is not None:
            self._stop()
        learner.request_stop()

    def _stop(self) -> NoReturn:
        raise Interrupted(self.interruption.received or signal.SIGTERM)


def _undo(trainer: pl.Trainer, learner: Learner) -> Callable[[], None] | None:
    """What takes back what goes on; None between steps, and where several processes train."""
    return learner.undo if trainer.world_size == 1 else None
