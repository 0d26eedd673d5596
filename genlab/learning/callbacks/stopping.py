"""What ends a training before its last step: a lost loss, patience, a search, or a signal."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import lightning.pytorch as pl
import torch

from genlab.batch import Batch, Chunk
from genlab.bounds import Positive
from genlab.errors import Interrupted, PrunedError, RunError, UserError
from genlab.learning.callbacks.callback import LearnerCallback
from genlab.learning.interruption import Interruption
from genlab.learning.learner import Learner
from genlab.slurm import requeue_signal

__all__ = ["Divergence", "Patience", "Pruning", "StopOnSignal"]


class Patience(LearnerCallback):
    """Stops after ``patience`` validations in a row without improvement.

    It stands before the checkpoints, which so hold the count that includes their own validation: a
    resumed run stops where an uninterrupted one does. The limit itself is the configuration's, so
    it can be raised when a run is resumed.
    """

    def __init__(self) -> None:
        self.best = math.inf
        self.waited = 0

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._stop_if_exhausted(trainer)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        value = float(trainer.callback_metrics[self.learner.settings.monitor])
        self.waited = 0 if value < self.best else self.waited + 1
        self.best = min(self.best, value)
        self._stop_if_exhausted(trainer)

    def _stop_if_exhausted(self, trainer: pl.Trainer) -> None:
        patience = self.learner.settings.patience
        if patience is not None and self.waited >= patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.waited = state_dict["best"], state_dict["waited"]


class Pruning(LearnerCallback):
    """Reports the monitored metric at each validation, and ends the run where it is told to.

    Args:
        report: Takes the step and the metric; returns whether to stop.
    """

    def __init__(self, report: Callable[[int, float], bool]) -> None:
        self.report = report

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        step, settings = self.learner.step, self.learner.settings
        value = float(trainer.callback_metrics[settings.monitor])
        if self.report(step, value) and step < settings.max_steps:
            raise PrunedError(f"pruned at step {step}: {settings.monitor} {value:.4g}")


class StopOnSignal(LearnerCallback):
    """Lets a first signal wait for the present step, then saves and raises `Interrupted`.

    What takes longer than a step, as a validation, does not let it wait, and is done anew when the
    run goes on. Several processes stop together, so that a validation that is due is waited for:
    it saves the step when it ends.

    Args:
        interruption: Where signals are noticed.
    """

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption
        self._validates_first = False

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        # Lightning has put its own handlers over these by now.
        self.interruption.install()
        self.interruption.defer_to(partial(self._request, trainer))

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        # Asked of the learner: a signal to one of several processes stops them all.
        validates = self.learner.stop_requested and self.learner.is_to_validate
        self._validates_first = validates and trainer.world_size > 1
        self.learner.owes_validation = validates
        if self.learner.stop_requested and not self._validates_first:
            trainer.save_checkpoint(self.run.last)
            self._stop()

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if self._validates_first:
            self._stop()

    def on_exception(
        self, trainer: pl.Trainer, learner: pl.LightningModule, exception: BaseException
    ) -> None:
        # It may come before any hook that tells of the learner.
        assert isinstance(learner, Learner)
        undo = _undo(trainer, learner)
        if undo is not None and isinstance(exception, Interrupted):
            undo()
            trainer.save_checkpoint(self.run.last)

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.interruption.stop_deferring()

    def _request(self, trainer: pl.Trainer) -> None:
        """Let the signal wait for the step, unless what goes on can be undone."""
        if _undo(trainer, self.learner) is not None:
            self._stop()
        self.learner.request_stop()

    def _stop(self) -> NoReturn:
        number, of_cluster = self.interruption.received or signal.SIGTERM, requeue_signal()
        # One of several processes may have heard of it before the others, and stopped them.
        if of_cluster is not None and self.learner.any_process(number == of_cluster):
            number = of_cluster
        raise Interrupted(number)


def _undo(trainer: pl.Trainer, learner: Learner) -> Callable[[], None] | None:
    """What takes back what goes on; None between steps, and where several processes train."""
    return learner.undo if trainer.world_size == 1 else None


class Divergence(LearnerCallback):
    """Stops the run when the loss is not a number, or far above the lowest seen.

    One look a chunk, so that no step waits for the device; the checkpoint before is untouched.
    Where the data are to blame, the message says so.

    Args:
        threshold: Nats a dimension above the lowest mean loss of a chunk so far; None for losses
            of no such scale, which may only not become infinite.
    """

    def __init__(self, *, threshold: Positive | None) -> None:
        self.threshold = threshold
        self.lowest = math.inf

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        losses = self.learner.losses.float().cpu()
        limit = math.inf
        if self.threshold is not None:
            limit = self.lowest + self.threshold * math.prod(self.learner.model.event_shape)
        lost = ~torch.isfinite(losses)
        # One batch of heavy-tailed data may lie far above; half a chunk does not.
        if losses.median() > limit:
            lost |= losses > limit
        if lost.any():
            first = int(lost.nonzero()[0])
            if isinstance(batch, Chunk):
                _blame(batch.batch, "of the training")
            self._fail(self.learner.step - len(losses) + first + 1, losses[first].item())
        self.lowest = min(self.lowest, losses.mean().item())

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        loss = float(trainer.callback_metrics["val/loss"])
        if not math.isfinite(loss):
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            _blame(data.validation, "of the validation")
            self._fail(self.learner.step, loss)

    def _fail(self, step: int, loss: float) -> None:
        word = "grew to" if math.isfinite(loss) else "became"
        raise RunError(
            f"the loss {word} {loss:g} at step {step}; the last good checkpoint is kept in "
            f"{self.run.checkpoints}\n{self.learner.remedy(self.run.typed)}"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lowest = state_dict["lowest"]


def _blame(rows: Batch, whose: str) -> None:
    if bad := rows.unusable:
        raise UserError(f"data: {bad} rows {whose} hold NaN or infinite values; leave them out")
