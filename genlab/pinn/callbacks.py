"""Callbacks that keep the stages of a solve, as numbers and as images."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.bounds import PositiveInt
from genlab.learning.tensorboard import log_figures
from genlab.pinn.figures import stage_figure
from genlab.pinn.learner import PINNLearner
from genlab.pinn.stages import write_stage
from genlab.runs.directory import RunDirectory

__all__ = ["Keeper", "StageImages"]


class StageImages(Callback):
    """Logs every few stages as an image to TensorBoard.

    >>> StageImages(every=2).every
    2

    Args:
        every: Stages between two images.
    """

    def __init__(self, *, every: PositiveInt) -> None:
        self.every = every

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        assert isinstance(learner, PINNLearner)
        with learner.paused():
            for stage in learner.stages:
                if trainer.loggers and stage.step // learner.refresh % self.every == 0:
                    figure = stage_figure(stage, learner.network.problem)
                    log_figures(trainer.loggers, {"stage": figure}, stage.step)


class Keeper(Callback):
    """Writes each stage into the run's folder.

    It stands behind whatever else looks at the stages.

    >>> from pathlib import Path
    >>> Keeper(RunDirectory(Path("run"))).run.stages.name
    'stages'

    Args:
        run: The run.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        assert isinstance(learner, PINNLearner)
        with learner.paused():
            for stage in learner.stages:
                write_stage(stage, self.run.stages)
        learner.stages.clear()
