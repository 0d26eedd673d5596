"""How far a run is: a live bar where a person looks, a plain line a validation elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from genlab.learning.learner import Learner

__all__ = ["ProgressBar"]


class _LiveProgress(Progress):
    """A bar that reads the learner's step when it is drawn, so that no step has to report it."""

    learner: Learner
    loss = float("nan")
    first_step = 0
    first_time = 0.0

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.task_ids:
            speed = _speed(self.learner, self.first_step, self.first_time)
            self.update(
                task,
                completed=self.learner.step,
                loss=f"{self.loss:.4f}",
                speed=f"{speed:.0f} steps/s",
                left=_time_left(self.learner, speed),
            )
        yield from super().get_renderables()


class ProgressBar(Callback):
    """Shows step, loss, speed and time left on standard error."""

    def __init__(self) -> None:
        self.bar: _LiveProgress | None = None

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        self.first_step, self.first_time = learner.step, time.monotonic()
        console = Console(stderr=True)
        if not (trainer.is_global_zero and console.is_terminal):
            return
        self.bar = _LiveProgress(
            TextColumn("[bold]{task.completed}[/]/{task.total}"),
            BarColumn(),
            TextColumn("loss [bold]{task.fields[loss]}[/]"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]} left"),
            console=console,
            refresh_per_second=5,
        )
        self.bar.learner = learner
        self.bar.first_step, self.bar.first_time = self.first_step, self.first_time
        self.bar.add_task("train", total=learner.settings.max_steps, loss="", speed="", left="")
        self.bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        assert isinstance(learner, Learner)
        self.loss = learner.losses.mean().item()
        if self.bar is not None:
            self.bar.loss = self.loss

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        if self.bar is not None or not trainer.is_global_zero:
            return
        monitor = learner.settings.monitor
        speed = _speed(learner, self.first_step, self.first_time)
        print(
            f"step {learner.step}/{learner.settings.max_steps}  train/loss {self.loss:.4f}  "
            f"{monitor} {float(trainer.callback_metrics[monitor]):.4f}  {speed:.0f} steps/s  "
            f"{_time_left(learner, speed)} left",
            file=sys.stderr,
            flush=True,
        )

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, learner: pl.LightningModule, exception: BaseException
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _speed(learner: Learner, first_step: int, first_time: float) -> float:
    return (learner.step - first_step) / max(time.monotonic() - first_time, 1e-9)


def _time_left(learner: Learner, speed: float) -> str:
    if speed == 0:
        return "?"
    seconds = (learner.settings.max_steps - learner.step) / speed
    if learner.settings.max_seconds is not None:
        seconds = min(seconds, learner.settings.max_seconds - learner.seconds)
    return str(timedelta(seconds=max(0, round(seconds))))
