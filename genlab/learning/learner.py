"""The base of every way of learning: it counts the steps, many of them to one Lightning batch."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.batch import Batch, Chunk, mass
from genlab.bijections.ode import coarsely
from genlab.densities.inference import inference
from genlab.learning.checkpoint_io import check_weights
from genlab.learning.rng import rng_state, set_rng_state
from genlab.learning.settings import TrainerSettings
from genlab.nn.precision import full_precision

__all__ = ["Learner"]

log = logging.getLogger(__name__)


class Learner(pl.LightningModule):
    """Learns a density, step by step.

    Lightning's machinery costs milliseconds a batch, a step on a small model costs one. So one
    Lightning batch is a `Chunk` of steps, and the counter that matters is `step`: validation,
    checkpoints, logging, schedules and the end of training all follow it exactly.

    Subclasses implement `update`, one step, and `validate`, the metrics of one batch.

    Args:
        model: The density to learn, or another module.
        settings: How long, where and how carefully.

    Attributes:
        step: Number of training steps taken, also before a resume.
        losses: The loss of each step of the last chunk, on the device.
        finished: Whether nothing is left to learn before the last step.
        reports: Names of the metrics that `validate` returns, one of which ``best`` is chosen by.
        whole_passes: Whether one step sees the whole training set, as an iterator of batches.
        undo: Restores the state before what goes on, where that may take long: a signal need not
            wait for its end. None where a signal has to wait.
        owes_validation: Whether the validation after the last step is yet to come.
        compiled_from: The first step that was compiled whole; None as long as none was.
        timed_from: The step, and its `seconds`, that `speed` counts from: where it began, went on,
            or had waited for compiled code.
    """

    losses: Float[Tensor, " steps"]
    reports: tuple[str, ...] = ("val/loss", "val/nll")
    whole_passes: bool = False

    def __init__(self, model: nn.Module, settings: TrainerSettings) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model: Any = model
        self.settings = settings
        self.step = 0
        self.stop_requested = False
        self.finished = False
        self.undo: Callable[[], None] | None = None
        self.owes_validation = False
        self.compiled_from: int | None = None
        self.timed_from = (0, 0.0)
        self.losses = torch.zeros(0)
        self._seconds_before = 0.0
        self._started: float | None = None
        self._validating = ExitStack()
        self._rng: dict[str, Any] | None = None
        # Of each batch, by what its means were divided, its weight, and the means.
        self._validation: list[tuple[float, float, dict[str, Tensor]]] = []
        # Before anything starts from data, whose digits the buffers are to keep.
        self.to(settings.dtype)

    def start(self, rows: Batch) -> None:
        """Give the model what starts from data, before the first step; its time counts.

        Raises:
            UserError: The rows are no numbers.
        """
        rows = rows.cast(rows.x.device, self.settings.dtype)
        rows.refuse_unusable()
        began = time.monotonic()
        self.initialise(rows)
        self._seconds_before += time.monotonic() - began

    def initialise(self, rows: Batch) -> None:
        """Set what starts from data."""
        self.model.initialise(rows.x, rows.context)

    @abstractmethod
    def update(self, batch: Any) -> Float[Tensor, ""]:
        """Take one training step and return its loss, detached and still on the device."""

    @abstractmethod
    def validate(self, batch: Batch, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        """Means of the metrics `reports` over one batch, the ``number``-th of a validation."""

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model hold the weights that are validated, tested and loaded."""
        return nullcontext()

    def scalars(self) -> dict[str, float]:
        """What the logs show of the last step besides the loss."""
        scalars: dict[str, float] = self.model.diagnostics()
        return scalars

    def remedy(self, run: str) -> str:
        """What to change where the loss is lost.

        Args:
            run: The run, as a command takes it.
        """
        return f"look where the loss has no value, or begin elsewhere: genlab rerun {run} seed=1"

    def request_stop(self) -> None:
        """Stop after the present step."""
        self.stop_requested = True

    @property
    def seconds(self) -> float:
        """Seconds of fitting so far, validation and the time before a resume included."""
        running = 0.0 if self._started is None else time.monotonic() - self._started
        return self._seconds_before + running

    @property
    def speed(self) -> float:
        """Steps a second at present, validations included."""
        step, seconds = self.timed_from
        return (self.step - step) / max(self.seconds - seconds, 1e-9)

    def out_of_time(self) -> bool:
        """Whether ``max_seconds`` have passed."""
        limit = self.settings.max_seconds
        return limit is not None and self.seconds >= limit

    @property
    def is_to_validate(self) -> bool:
        """Whether a validation follows the step that was taken last."""
        return self.trainer.should_stop or self.step % self.settings.val_every == 0

    @full_precision
    def training_step(self, chunk: Any, index: int) -> None:
        alone = self.trainer.world_size == 1
        losses = []
        if isinstance(chunk, Chunk):
            chunk = chunk.cast(self.device, self.settings.dtype)
        for batch in chunk.batches():
            losses.append(self.update(batch))
            self.step += 1
            # Several processes must stop after the same step: they only agree between chunks.
            if self.finished or (alone and (self.stop_requested or self.out_of_time())):
                break
        self.conclude_chunk(torch.stack(losses))

    def conclude_chunk(self, losses: Float[Tensor, " steps"]) -> None:
        """Note the losses of the steps that were taken, and whether they were the last ones."""
        self.losses = losses
        self.stop_requested = self.any_process(self.stop_requested)
        if self.any_process(self.out_of_time()) or self._at_the_end():
            self.trainer.should_stop = True

    def _at_the_end(self) -> bool:
        return self.finished or self.step >= self.settings.max_steps

    def any_process(self, decision: bool) -> bool:
        """Whether one of several processes, all of which ask at this point, says so."""
        if self.trainer.world_size == 1:
            return decision
        return bool(self.trainer.strategy.reduce_boolean_decision(decision, all=False))

    def on_fit_start(self) -> None:
        self._started = time.monotonic()

    def on_fit_end(self) -> None:
        self._seconds_before, self._started = self.seconds, None

    @contextmanager
    def undoable(self, undo: Callable[[], None]) -> Iterator[None]:
        """Let a signal end at once what goes on inside; ``undo`` restores the state before it."""
        self.undo = undo
        yield
        # No `finally`: where a signal ends it, it is undone after this, and then saved.
        self.undo = None

    def on_validation_epoch_start(self) -> None:
        self._validating.enter_context(self.averaged())
        self.undo, self.owes_validation = self._give_up_validation, True

    def _give_up_validation(self) -> None:
        """Leave a validation that was begun, as if the step before it had only just ended."""
        self._validation.clear()
        self._validating.close()

    def validation_step(self, batch: Batch, index: int) -> None:
        batch = batch.cast(self.device, self.settings.dtype)
        weight = batch.x.new_ones(len(batch.x)) if batch.weight is None else batch.weight
        # Draws of an estimate repeat from one validation to the next, and are none of the
        # training's: a run that is stopped here goes on as if it had not been.
        with inference(self.model, torch.Generator().manual_seed(index)), coarsely(self.model):
            means = self.validate(batch, index)
        self._validation.append((float(mass(weight)), float(weight.sum()), means))

    def on_validation_epoch_end(self) -> None:
        for key, mean in self.validation_means().items():
            self.log(key, mean, logger=False, sync_dist=self.trainer.world_size > 1)

    def validation_means(self) -> dict[str, Float[Tensor, ""]]:
        """Conclude a validation: the mean of each metric over all batches."""
        self.undo, self.owes_validation = None, False
        total = sum(weight for _, weight, _ in self._validation)
        means: dict[str, Tensor] = {}
        for key, first in self._validation[0][2].items():
            means[key] = sum(
                (size / total * metrics[key] for size, _, metrics in self._validation),
                start=torch.zeros_like(first),
            )
            log.info("step %d: %s %.6g", self.step, key, means[key])
        self._validation.clear()
        self._validating.close()
        return means

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # The step says where to go on; Lightning's own position would only contradict it.
        checkpoint.pop("loops", None)
        checkpoint["step"] = self.step
        checkpoint["seconds"] = self.seconds
        checkpoint["rng"] = rng_state()
        checkpoint["owes_validation"] = self.owes_validation
        checkpoint["compiled_from"] = self.compiled_from

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.step = checkpoint["step"]
        self._seconds_before = checkpoint["seconds"]
        self._rng = checkpoint["rng"]
        self.owes_validation = checkpoint.get("owes_validation", False)
        self.compiled_from = checkpoint.get("compiled_from")
        check_weights(self, checkpoint["state_dict"], Path(str(self.trainer.ckpt_path)))

    def on_train_start(self) -> None:
        if self._rng is not None:
            set_rng_state(self._rng)
            self._rng = None
        if self.owes_validation:
            self.trainer.fit_loop.epoch_loop.val_loop.run()
        self.timed_from = self.step, self.seconds
        # A run that was stopped behind its last step has nothing left to train.
        if self._at_the_end():
            self.trainer.should_stop = True
