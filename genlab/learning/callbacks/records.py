"""What a run keeps of its training: checkpoints, curves, and scalars for TensorBoard."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning.pytorch as pl

from genlab.learning.callbacks.callback import LearnerCallback
from genlab.processes import is_first
from genlab.runs.files import write_json
from genlab.runs.manifest import note_compiled

__all__ = ["Checkpoints", "Curves", "Scalars"]


class Checkpoints(LearnerCallback):
    """Saves ``last.ckpt`` at the start and at each validation, ``best.ckpt`` when it improves.

    The run's record learns at once from which step on steps are compiled, as checkpoints do.
    """

    def __init__(self) -> None:
        self.best: float | None = None
        self._noted: int | None = None

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        # From here on there is always something to resume from.
        if self.learner.step == 0:
            trainer.save_checkpoint(self.run.last)

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        step = self.learner.compiled_from
        if step is not None and step != self._noted:
            note_compiled(self.run, step)
            self._noted = step

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        run = self.run
        value = float(trainer.callback_metrics[self.learner.settings.monitor])
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


class Curves(LearnerCallback):
    """Writes ``curves.json`` at each validation: a list a curve, a value a validation.

    Besides the validation metrics there are ``step``, ``seconds`` of fitting, and ``train/loss``,
    the mean since the validation before. A checkpoint keeps the curves too, so those of a resumed
    run have no value twice.
    """

    def __init__(self) -> None:
        self.curves: dict[str, list[float]] = {}
        self.total = 0.0
        self.steps = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self.total += self.learner.losses.double().sum().item()
        self.steps += len(self.learner.losses)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        point: dict[str, float] = {"step": self.learner.step, "seconds": self.learner.seconds}
        point["train/loss"] = self.total / self.steps if self.steps else math.nan
        point |= {key: float(trainer.callback_metrics[key]) for key in self.learner.reports}
        for key, value in point.items():
            self.curves.setdefault(key, []).append(value)
        self.total, self.steps = 0.0, 0
        if is_first(self.learner.settings):
            write_json(self.run.curves, self.curves)

    def state_dict(self) -> dict[str, Any]:
        curves = {key: list(values) for key, values in self.curves.items()}
        return {"curves": curves, "total": self.total, "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.curves, self.total = state_dict["curves"], state_dict["total"]
        self.steps = state_dict["steps"]


class Scalars(LearnerCallback):
    """Logs the mean loss of each chunk, the learner's own scalars, the speed, and validations."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, learner: pl.LightningModule, batch: Any, index: int
    ) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        metrics = {"train/loss": self.learner.losses.mean().item(), **self.learner.scalars()}
        seconds = time.monotonic() - self._started
        metrics["time/steps_per_second"] = len(self.learner.losses) / seconds
        _log(trainer, metrics, self.learner.step)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        _log(trainer, metrics, self.learner.step)


def _log(trainer: pl.Trainer, metrics: dict[str, float], step: int) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(metrics, step=step)
