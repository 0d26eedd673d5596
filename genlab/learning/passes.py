"""Learning by passes over the whole data, which take no gradients."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any

from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.learning.learner import Learner
from genlab.learning.settings import TrainerSettings
from genlab.objectives import Objective
from genlab.processes import is_first

__all__ = ["PassLearner"]

log = logging.getLogger(__name__)


class PassLearner(Learner):
    """One step is one pass over the training set, at whose end the model moves.

    It ends by itself when the objective has converged. The training loss is that of the parameters
    that the pass began with.

    Args:
        model: The density to learn.
        objective: What it learns by: one that ``learns_from`` passes.
        settings: How long and where.

    Raises:
        UserError: The objective cannot teach the model, or the settings ask for what belongs to
            gradients.
    """

    whole_passes = True

    def __init__(
        self, model: Density, objective: Objective[Any], settings: TrainerSettings
    ) -> None:
        objective.adopt(model)
        super().__init__(model, settings)
        self.objective = objective
        self.reports = objective.reports
        by = objective.by_gradients
        settings.refuse_gradients(objective, by and f"`{by}` does")
        self._state: dict[str, Any] | None = None

    def initialise(self, rows: Batch) -> None:
        super().initialise(rows)
        self.objective.start(self.model, rows)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.passes = self.objective.passes(self.model)
        if self._state is not None:
            self.passes.load_state_dict(self._state)
            self.finished = self.passes.done

    def update(self, batch: Iterable[Batch]) -> Float[Tensor, ""]:
        for rows in batch:
            self.passes.observe(rows.cast(self.device, self.model.dtype))
        if self.trainer.world_size > 1:
            self.passes.reduce(lambda x: self.trainer.strategy.reduce(x, reduce_op="sum"))
        loss = self.passes.advance()
        self.finished = self.passes.done
        return loss

    def validate(self, batch: Batch, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        return self.objective.validate(self.model, batch, number)

    def scalars(self) -> dict[str, float]:
        return self.passes.scalars()

    def on_fit_end(self) -> None:
        super().on_fit_end()
        if is_first(self.settings):
            for failure in self.passes.failures():
                log.info("%s", failure)
                print(f"warning: {failure}", file=sys.stderr)

    def configure_optimizers(self) -> list[Any]:
        return []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["passes"] = self.passes.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._state = checkpoint["passes"]
