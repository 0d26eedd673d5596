"""Early stopping, with a count that a checkpoint keeps."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.learning.learner import Learner

__all__ = ["Patience"]


class Patience(Callback):
    """Stops after ``trainer.patience`` validations in a row without improvement.

    It stands before the checkpoints, which so hold the count that includes their own validation: a
    resumed run stops where an uninterrupted one does. The limit itself is the configuration's, so
    it can be raised when a run is resumed.
    """

    def __init__(self) -> None:
        self.best = math.inf
        self.waited = 0

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._stop_if_exhausted(trainer, learner)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        value = float(trainer.callback_metrics[learner.settings.monitor])
        self.waited = 0 if value < self.best else self.waited + 1
        self.best = min(self.best, value)
        self._stop_if_exhausted(trainer, learner)

    def _stop_if_exhausted(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        patience = learner.settings.patience
        if patience is not None and self.waited >= patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.waited = state_dict["best"], state_dict["waited"]
