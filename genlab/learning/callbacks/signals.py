"""A signal ends the training between two steps, with everything saved."""

from __future__ import annotations

import signal
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

    A step that a validation follows is saved by it, behind it: a run that went on from before would
    have passed it by.

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
        self.interruption.defer_to(learner.request_stop)

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        assert isinstance(learner, Learner)
        # Asked of the learner: a signal to one of several processes stops them all.
        self._validates_first = learner.stop_requested and learner.is_to_validate
        if learner.stop_requested and not learner.is_to_validate:
            trainer.save_checkpoint(RunDirectory(Path(trainer.default_root_dir)).last)
            self._stop()

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if self._validates_first:
            self._stop()

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.interruption.stop_deferring()

    def _stop(self) -> NoReturn:
        raise Interrupted(self.interruption.received or signal.SIGTERM)
