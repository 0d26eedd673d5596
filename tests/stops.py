"""Callbacks that stop a solve by a signal."""

from __future__ import annotations

import os
import signal
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from genlab.samplers import Points

__all__ = ["Stop", "StopAmid"]


class Stop(Callback):
    """Sends this process a signal in the middle of a training step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        update = learner.update

        def spied(batch: Any) -> torch.Tensor:
            if learner.step == self.step:
                os.kill(os.getpid(), signal.SIGINT)
            return update(batch)

        learner.update = spied


class StopAmid(Callback):
    """Sends it when the sampler has chosen other points, before the step that they are for."""

    def __init__(self, what: str, step: int) -> None:
        self.what, self.step = what, step

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        choose = getattr(learner.sampler, self.what)

        def spied(*arguments: Any) -> Points:
            points = choose(*arguments)
            if learner.step == self.step:
                os.kill(os.getpid(), signal.SIGTERM)
                raise AssertionError("the signal waits")
            return points

        setattr(learner.sampler, self.what, spied)
