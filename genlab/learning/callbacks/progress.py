"""How far a run is: a bar where a person looks, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from html import escape
from typing import Any
from uuid import uuid4

import lightning.pytorch as pl
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn

from genlab.learning.callbacks.callback import LearnerCallback
from genlab.notebook import in_notebook, show
from genlab.processes import is_first
from genlab.runs.text import rounded

__all__ = ["NotebookBar", "ProgressBar"]

SILENCE = 60.0  # seconds after which a run speaks between two validations
PAUSE = 0.2  # at least, between two drawings of a bar in a notebook


class ProgressBar(LearnerCallback):
    """Shows step, loss, speed and time left on standard error, or below the cell of a notebook.

    Where no person looks, as in a batch job's log, a line stands for each validation, and for each
    minute without one.
    """

    def __init__(self) -> None:
        self.bar: LiveBar | NotebookBar | None = None
        self.loss: float | None = None  # none before the first step has ended
        self.validation = ""

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.last_line = time.monotonic()
        console = Console(stderr=True)
        if not is_first(self.learner.settings):
            return
        if in_notebook():
            self.bar = NotebookBar(self.learner.settings.max_steps, self.told)
            self.bar.start()
        elif console.is_terminal:
            self.bar = LiveBar(self, console)
            self.bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self.loss = self.learner.losses.mean().item()
        if isinstance(self.bar, NotebookBar):
            self.bar.step()
        if time.monotonic() - self.last_line > SILENCE:
            self._print_line()

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        settings = self.learner.settings
        value = float(trainer.callback_metrics[settings.monitor])
        self.validation = f"{settings.monitor} {rounded(value)[0]}"
        self._print_line()

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, learner: pl.LightningModule, exception: BaseException
    ) -> None:
        self._close()

    def told(self) -> tuple[int, str]:
        """The present step, and the rest in a line."""
        said = [f"train/loss {rounded(self.loss)[0]}", self.validation]
        said += [self.pace(), f"{self.time_left()} left"]
        return self.learner.step, "  ".join(filter(None, said))

    def pace(self) -> str:
        """The speed as text, with a digit more where steps are slow."""
        speed = self.learner.speed
        return f"{speed:.{0 if speed >= 10 else 1}f} steps/s"

    def time_left(self) -> str:
        """Until the last step, or until the time is up."""
        speed, settings = self.learner.speed, self.learner.settings
        if speed == 0:
            return "?"
        seconds = (settings.max_steps - self.learner.step) / speed
        if settings.max_seconds is not None:
            seconds = min(seconds, settings.max_seconds - self.learner.seconds)
        return str(timedelta(seconds=max(0, round(seconds))))

    def _print_line(self) -> None:
        settings = self.learner.settings
        self.last_line = time.monotonic()
        if self.bar is None and is_first(settings):
            step, said = self.told()
            print(f"step {step}/{settings.max_steps}  {said}", file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class LiveBar(Progress):
    """A bar that asks for the present step whenever it is drawn, so that no step has to report.

    Args:
        source: What is asked.
        console: Where the bar is drawn.
    """

    def __init__(self, source: ProgressBar, console: Console) -> None:
        self.source = source
        super().__init__(
            TextColumn("[bold]{task.completed}[/]/{task.total}"),
            BarColumn(),
            TextColumn("loss [bold]{task.fields[loss]}[/] {task.fields[validation]}"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[left]} left"),
            console=console,
            refresh_per_second=5,
        )
        total = source.learner.settings.max_steps
        self.add_task("train", total=total, loss="", validation="", speed="", left="")

    def get_renderables(self) -> Iterable[RenderableType]:
        source = self.source
        for task in self.task_ids:
            self.update(
                task,
                completed=source.learner.step,
                loss=rounded(source.loss)[0],
                validation=source.validation,
                speed=source.pace(),
                left=source.time_left(),
            )
        yield from super().get_renderables()


class NotebookBar:
    """A bar with a line of text, drawn anew in its place.

    Args:
        total: Steps of the training.
        state: Tells the present step, and what is said beside the bar.
    """

    def __init__(self, total: int, state: Callable[[], tuple[int, str]]) -> None:
        self.total, self.state = total, state
        self.name = f"genlab-{uuid4().hex}"
        self.drawn: float | None = None

    def start(self) -> None:
        """Show the bar."""
        self._draw()

    def step(self) -> None:
        """Draw it anew, where the last time is long enough ago."""
        if self.drawn is None or time.monotonic() - self.drawn >= PAUSE:
            self._draw()

    def stop(self) -> None:
        """Draw it for the last time."""
        self._draw()

    def _draw(self) -> None:
        step, said = self.state()
        text = f"{step}/{self.total}  {said}"
        page = (
            f'<progress value="{step}" max="{self.total}" style="width:16em;vertical-align:middle">'
            f"</progress> <code>{escape(text)}</code>"
        )
        show(page, text, name=self.name, again=self.drawn is not None)
        self.drawn = time.monotonic()
