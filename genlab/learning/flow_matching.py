"""Learning by flow matching."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from genlab.batch import Batch
from genlab.bounds import Fraction, NonNegativeInt
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.learning.gradient import GradientLearner
from genlab.learning.schedules import Schedule
from genlab.learning.settings import TrainerSettings
from genlab.models.flow_matching import FlowMatching
from genlab.objectives.couplings import Coupling, Independent
from genlab.objectives.flow_matching import flow_matching_loss
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.paths.times import Times

__all__ = ["ConditionalFlowMatching"]


class ConditionalFlowMatching(GradientLearner):
    """Regresses a flow-matching model on the speed of its paths.

    The validation loss is that of one fixed draw of sources and times for each batch, so that two
    checkpoints differ by their weights only; contexts are all shown.

    Args:
        model: A flow-matching model.
        settings: How long, where and how carefully.
        optimizer: Makes the optimiser of some parameters.
        schedule: Factor on the learning rate.
        coupling: Which source point goes with which data point.
        times: Distribution of the times.
        context_dropout: Probability that a row's context is hidden.
        val_rows: Rows of each validation batch whose log-density is computed for ``val/nll``, which
            takes a solve of the ODE; 0 to leave it out.

    Raises:
        UserError: The model is of another family, or its context does not go with these settings.
    """

    def __init__(
        self,
        model: Density,
        settings: TrainerSettings,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        coupling: Coupling,
        times: Times,
        context_dropout: Fraction,
        val_rows: NonNegativeInt,
    ) -> None:
        if not isinstance(model, FlowMatching):
            raise UserError(
                "objective=flow_matching: learns model=flow-matching only; this model wants "
                "objective=maximum_likelihood"
            )
        if model.guidance != 1 and not context_dropout:
            raise UserError(
                f"model.guidance={model.guidance:g}: it needs the velocity without a context, "
                "which is learned where contexts are hidden; try objective.context_dropout=0.1"
            )
        if model.context_encoder.context_dim and not isinstance(coupling, Independent):
            raise UserError(
                "coupling: it matches rows of the same context, and of vectors hardly two are the "
                "same; use coupling=independent"
            )
        super().__init__(model, settings, optimizer=optimizer, schedule=schedule)
        self.coupling = coupling
        self.times = times
        self.context_dropout = context_dropout
        self.val_rows = val_rows
        self.reports = ("val/loss", "val/nll") if val_rows else ("val/loss",)

    @property
    def flow(self) -> FlowMatching:
        assert isinstance(self.model, FlowMatching)
        return self.model

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        return flow_matching_loss(
            self.flow,
            batch,
            coupling=self.coupling,
            times=self.times,
            context_dropout=self.context_dropout,
        )

    def validate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        fixed = torch.Generator(batch.x.device).manual_seed(0)
        loss = flow_matching_loss(
            self.flow, batch, coupling=self.coupling, times=self.times, generator=fixed
        )
        if not self.val_rows:
            return {"val/loss": loss}
        rows = batch.rows(slice(self.val_rows))
        return {"val/loss": loss, "val/nll": negative_log_likelihood(self.flow, rows)}
