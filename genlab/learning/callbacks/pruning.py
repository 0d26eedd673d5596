"""The end of a trial of a search that is not worth going on with."""

from __future__ import annotations

from collections.abc import Callable

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.errors import PrunedError
from genlab.learning.learner import Learner

__all__ = ["Pruning"]


class Pruning(Callback):
    """Reports the monitored metric at each validation, and ends the run where it is told to.

    Args:
        report: Takes the step and the metric; returns whether to stop.
    """

    def __init__(self, report: Callable[[int, float], bool]) -> None:
        self.report = report

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        monitor = learner.settings.monitor
        value = float(trainer.callback_metrics[monitor])
        if self.report(learner.step, value) and learner.step < learner.settings.max_steps:
            raise PrunedError(f"pruned at step {learner.step}: {monitor} {value:.4f}")
