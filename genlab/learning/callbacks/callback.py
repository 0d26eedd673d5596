"""What callbacks here share: the learner and the run directory that they look at."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from genlab.learning.learner import Learner
from genlab.runs.directory import RunDirectory

__all__ = ["LearnerCallback"]


class LearnerCallback(Callback):
    """A callback that knows its learner.

    Attributes:
        learner: What is trained.
        run: The directory of its run.
    """

    learner: Learner
    run: RunDirectory

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, Learner)
        self.learner, self.run = pl_module, RunDirectory(Path(trainer.default_root_dir))
