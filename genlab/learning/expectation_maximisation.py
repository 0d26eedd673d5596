"""Learning a Gaussian mixture by EM."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any

from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.learning.learner import Learner
from genlab.learning.settings import TrainerSettings
from genlab.models.gmm import GMM
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.mixture_fit import MixtureFit

__all__ = ["ExpectationMaximisation"]

log = logging.getLogger(__name__)


class ExpectationMaximisation(Learner):
    """One step is one pass over the training set, and at its end the M-step.

    It ends by itself when EM has converged. The training loss is ``-log p(x)`` of the parameters
    that the pass began with; with a context vector, that of the joint density ``p(c, x)``, which is
    what EM maximises.

    Args:
        model: A Gaussian mixture.
        settings: How long and where.

    Raises:
        UserError: The model is none, or the settings ask for what belongs to gradients.
    """

    model: GMM
    whole_passes = True

    def __init__(self, model: Density, settings: TrainerSettings) -> None:
        super().__init__(model, settings)
        if not isinstance(model, GMM):
            raise UserError(
                f"objective: EM learns Gaussian mixtures only; got {type(model).__name__}"
            )
        for key in ("gradient_clip", "ema", "compile"):
            value = getattr(settings, key)
            if value:
                raise UserError(
                    f"trainer.{key}={value}: EM takes no gradient steps; model.fit=gradient does"
                )
        self._state: dict[str, Any] | None = None

    def initialise(self, rows: Batch) -> None:
        super().initialise(rows)
        MixtureFit(self.model).start(rows)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.em = MixtureFit(self.model)
        if self._state is not None:
            self.em.load_state_dict(self._state)
            self.finished = self.em.done

    def update(self, batch: Iterable[Batch]) -> Float[Tensor, ""]:
        for rows in batch:
            self.em.observe(rows.cast(self.device, self.model.dtype))
        if self.trainer.world_size > 1:
            self.em.reduce(lambda x: self.trainer.strategy.reduce(x, reduce_op="sum"))
        loss = self.em.advance()
        self.finished = self.em.done
        return loss

    def validate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        nll = negative_log_likelihood(self.model, batch)
        return {"val/loss": nll, "val/nll": nll}

    def scalars(self) -> dict[str, float]:
        return {"train/components": float(self.model.metrics()["model/components"])}

    def on_fit_end(self) -> None:
        super().on_fit_end()
        if self.trainer.is_global_zero:
            for failure in self.em.failures():
                log.info("%s", failure)
                print(f"warning: {failure}", file=sys.stderr)

    def configure_optimizers(self) -> list[Any]:
        return []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["em"] = self.em.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._state = checkpoint["em"]
