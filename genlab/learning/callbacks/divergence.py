"""A loss that is lost stops the run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from genlab.batch import Batch, Chunk
from genlab.bounds import Positive
from genlab.errors import RunError, UserError
from genlab.learning.learner import Learner
from genlab.runs.directory import RunDirectory

__all__ = ["Divergence"]


class Divergence(Callback):
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
        assert isinstance(learner, Learner)
        losses = learner.losses.float().cpu()
        limit = math.inf
        if self.threshold is not None:
            limit = self.lowest + self.threshold * math.prod(learner.model.event_shape)
        lost = ~torch.isfinite(losses)
        # One batch of heavy-tailed data may lie far above; half a chunk does not.
        if losses.median() > limit:
            lost |= losses > limit
        if lost.any():
            first = int(lost.nonzero()[0])
            if isinstance(batch, Chunk):
                _blame(batch.batch, "of the training")
            self._fail(
                trainer, learner, learner.step - len(losses) + first + 1, losses[first].item()
            )
        self.lowest = min(self.lowest, losses.mean().item())

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        assert isinstance(learner, Learner)
        loss = float(trainer.callback_metrics["val/loss"])
        if not math.isfinite(loss):
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            _blame(data.validation, "of the validation")
            self._fail(trainer, learner, learner.step, loss)

    def _fail(self, trainer: pl.Trainer, learner: Learner, step: int, loss: float) -> None:
        run = RunDirectory(Path(trainer.default_root_dir))
        word = "grew to" if math.isfinite(loss) else "became"
        raise RunError(
            f"the loss {word} {loss:g} at step {step}; the last good checkpoint is kept in "
            f"{run.checkpoints}\ntry a smaller optimizer.lr, or trainer.gradient_clip=1"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lowest = state_dict["lowest"]


def _blame(rows: Batch, whose: str) -> None:
    if bad := rows.unusable:
        raise UserError(f"data: {bad} rows {whose} hold NaN or infinite values; leave them out")
