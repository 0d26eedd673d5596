"""Learning a continuous flow by maximum likelihood with priced paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from genlab.batch import Batch
from genlab.bijections.by_torchdiffeq import explained
from genlab.bounds import NonNegative, PositiveInt
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.learning.gradient import GradientLearner
from genlab.learning.schedules import Schedule
from genlab.learning.settings import TrainerSettings
from genlab.models.continuous import ContinuousFlow
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.regularised_likelihood import regularised_likelihood

__all__ = ["RegularisedLikelihood"]


class RegularisedLikelihood(GradientLearner):
    """Minimises ``E[-log p + kinetic int |v|^2 dt + jacobian int |dv/dx|^2 dt]``.

    Validation is by the likelihood alone, and by the evaluation's solver, on as many rows as its
    cost allows.

    Args:
        model: A continuous flow.
        settings: How long, where and how carefully.
        optimizer: Makes the optimiser of some parameters.
        schedule: Factor on the learning rate.
        kinetic: Price of the paths' kinetic energy.
        jacobian: Price of the velocity's Jacobian.
        val_rows: Rows of each validation batch whose log-density is computed.

    Raises:
        UserError: The model follows no ODE.
    """

    def __init__(
        self,
        model: Density,
        settings: TrainerSettings,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        kinetic: NonNegative,
        jacobian: NonNegative,
        val_rows: PositiveInt,
    ) -> None:
        if not isinstance(model, ContinuousFlow):
            raise UserError(
                "objective=regularised_likelihood: prices the paths of cnf and flow-matching; this "
                "model wants objective=maximum_likelihood"
            )
        super().__init__(model, settings, optimizer=optimizer, schedule=schedule)
        self.kinetic = kinetic
        self.jacobian = jacobian
        self.val_rows = val_rows

    @property
    def flow(self) -> ContinuousFlow:
        assert isinstance(self.model, ContinuousFlow)
        return self.model

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        return regularised_likelihood(
            self.flow, batch, kinetic=self.kinetic, jacobian=self.jacobian
        )

    def update(self, batch: Batch) -> Float[Tensor, ""]:
        with explained():
            return super().update(batch)

    def validate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        nll = negative_log_likelihood(self.flow, batch.rows(slice(self.val_rows)))
        return {"val/loss": nll, "val/nll": nll}
