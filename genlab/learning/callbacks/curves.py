"""The learning curves of a run in one small file, which readers need no TensorBoard for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.learning.learner import Learner
from genlab.runs.directory import RunDirectory
from genlab.runs.files import write_json

__all__ = ["Curves"]


class Curves(Callback):
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
        assert isinstance(learner, Learner)
        self.total += learner.losses.double().sum().item()
        self.steps += len(learner.losses)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        point: dict[str, float] = {"step": learner.step, "seconds": learner.seconds}
        point["train/loss"] = self.total / self.steps if self.steps else math.nan
        point |= {key: float(trainer.callback_metrics[key]) for key in learner.reports}
        for key, value in point.items():
            self.curves.setdefault(key, []).append(value)
        self.total, self.steps = 0.0, 0
        if trainer.is_global_zero:
            write_json(RunDirectory(Path(trainer.default_root_dir)).curves, self.curves)

    def state_dict(self) -> dict[str, Any]:
        curves = {key: list(values) for key, values in self.curves.items()}
        return {"curves": curves, "total": self.total, "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.curves, self.total = state_dict["curves"], state_dict["total"]
        self.steps = state_dict["steps"]
