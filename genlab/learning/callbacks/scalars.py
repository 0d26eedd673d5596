"""Scalars of the training and validation, logged by step."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.learning.learner import Learner

__all__ = ["Scalars"]


class Scalars(Callback):
    """Logs the mean loss of each chunk, the learner's own scalars, the speed, and validations."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, learner: pl.LightningModule, batch: Any, index: int
    ) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        assert isinstance(learner, Learner)
        metrics = {"train/loss": learner.losses.mean().item(), **learner.scalars()}
        seconds = time.monotonic() - self._started
        metrics["time/steps_per_second"] = len(learner.losses) / seconds
        _log(trainer, metrics, learner.step)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        _log(trainer, metrics, learner.step)


def _log(trainer: pl.Trainer, metrics: dict[str, float], step: int) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(metrics, step=step)
