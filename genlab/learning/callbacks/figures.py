"""Figures of the density while it is being learned."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.bounds import PositiveInt
from genlab.evaluation.figures import density_panel, image_panel
from genlab.learning.learner import Learner
from genlab.learning.tensorboard import log_figures

__all__ = ["DensityImages"]


class DensityImages(Callback):
    """Logs an image to TensorBoard after every few validations.

    In the plane ``density/progress``, the model's density; of images ``samples/progress``, a grid
    of samples that are drawn from the same noise each time.

    Args:
        every: Validations between two images.
    """

    def __init__(self, *, every: PositiveInt) -> None:
        self.every = every

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        number = learner.step // learner.settings.val_every
        data: Any = learner.trainer.datamodule  # type: ignore[attr-defined]
        if number % self.every:
            return
        if learner.model.image:
            with learner.averaged():
                figure = image_panel(learner.model, data.validation.context)
            log_figures(trainer.loggers, {"samples/progress": figure}, learner.step)
            return
        target = data.target
        if target is None or learner.model.event_shape != (2,):
            return
        size = min(100, math.isqrt(learner.model.test_samples // 4))
        with learner.averaged():
            figure = density_panel(learner.model, target, size=size)
        log_figures(trainer.loggers, {"density/progress": figure}, learner.step)
