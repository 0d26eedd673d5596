"""The best and the last checkpoint of a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.learning.learner import Learner
from genlab.runs.directory import RunDirectory

__all__ = ["Checkpoints"]


class Checkpoints(Callback):
    """Saves ``last.ckpt`` at the start and at each validation, ``best.ckpt`` when it improves."""

    def __init__(self) -> None:
        self.best: float | None = None

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        # From here on there is always something to resume from.
        if learner.step == 0:
            trainer.save_checkpoint(RunDirectory(Path(trainer.default_root_dir)).last)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        run = RunDirectory(Path(trainer.default_root_dir))
        value = float(trainer.callback_metrics[learner.settings.monitor])
        value = math.inf if math.isnan(value) else value
        # The best comes first: a kill between the two repeats the stretch and finds it again.
        if self.best is None or value < self.best:
            self.best = value
            trainer.save_checkpoint(run.best)
        trainer.save_checkpoint(run.last)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
