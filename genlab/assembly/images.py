"""Figures of the density while it is being learned."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl

from genlab.bijections.ode import coarsely
from genlab.bounds import PositiveInt
from genlab.evaluation.figures import density_panel, field_panel, image_panel
from genlab.learning.callbacks.callback import LearnerCallback
from genlab.learning.tensorboard import log_figures

__all__ = ["DensityImages"]


class DensityImages(LearnerCallback):
    """Logs an image to TensorBoard after every few validations.

    In the plane ``density/progress``, the model's density; of images and fields
    ``samples/progress``, a grid of samples that are drawn from the same noise each time.

    Args:
        every: Validations between two images.
    """

    def __init__(self, *, every: PositiveInt) -> None:
        self.every = every

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        ours, step = self.learner, self.learner.step
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if step // ours.settings.val_every % self.every:
            return
        if ours.model.image:
            x, context, _ = data.validation
            with ours.averaged():
                if data.quantity is None:
                    figure = image_panel(ours.model, context)
                else:
                    figure = field_panel(ours.model, x, context, data.quantity)
            log_figures(trainer.loggers, {"samples/progress": figure}, step)
            return
        target = data.target
        if target is None or ours.model.event_shape != (2,):
            return
        size = min(100, math.isqrt(ours.model.test_samples // 4))
        with ours.averaged(), coarsely(ours.model):
            figure = density_panel(ours.model, target, size=size)
        log_figures(trainer.loggers, {"density/progress": figure}, step)
