"""Maximum likelihood, as it is and with a price on the paths of a continuous flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch, weighted_mean
from genlab.bijections.solvers import FixedStepSolver
from genlab.bounds import NonNegative, PositiveInt
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.models.continuous import ContinuousFlow
from genlab.objectives.objective import M, Objective

__all__ = [
    "MaximumLikelihood",
    "RegularisedLikelihood",
    "negative_log_likelihood",
    "regularised_likelihood",
]


class MaximumLikelihood(Objective[M]):
    """Minimises ``-E[log p(x | c)]``, for every family with a differentiable log-density.

    References: arXiv:1912.02762, section 2.3.

    >>> import torch, genlab
    >>> from genlab.batch import Batch
    >>> from genlab.densities import StandardNormal
    >>> loss = MaximumLikelihood().loss(StandardNormal((1,)), Batch(torch.zeros(5, 1)))
    >>> round(loss.item(), 4)
    0.9189
    """

    signed: ClassVar[bool] = True
    stackable: ClassVar[bool] = True

    @property
    def reports(self) -> tuple[str, ...]:
        return ("val/loss", "val/nll")

    def remarks(self, model: Density) -> tuple[str, ...]:
        if model.likelihood != "lower_bound":
            return ()
        slow = "a step takes `importance_samples` draws for each row, which is slow"
        return (f"{slow}: `ELBO` learns the same by a few",)

    def check(self, model: Density) -> None:
        super().check(model)
        if model.clusters and self.teaches is Density:
            raise UserError(
                f"objective: {type(self).__name__} leaves the parts of a {type(model).__name__} "
                "all in one place; use `EM` or `MixtureDescent`"
            )

    def cures(self, model: M) -> tuple[str, ...]:
        return _steadier(model, "`RegularisedLikelihood`")

    def loss(self, model: M, batch: Batch) -> Float[Tensor, ""]:
        return negative_log_likelihood(model, batch)

    def validate(self, model: M, batch: Batch, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        nll = negative_log_likelihood(model, batch)
        return {"val/loss": nll, "val/nll": nll}


@dataclass(frozen=True, kw_only=True)
class RegularisedLikelihood(Objective[ContinuousFlow]):
    """Minimises ``E[-log p(x | c) + k int |v|^2 dt + j int |dv/dx|_F^2 dt]``.

    Of the many fields that carry the base to the data the prices single out one with straight paths
    at constant speed, and a smooth one, which takes a solver few steps (Finlay et al., "How to
    train your neural ODE: the world of Jacobian and kinetic regularization", 2020,
    arXiv:2002.02798). Validation is by the likelihood alone.

    >>> RegularisedLikelihood(kinetic=0.1)
    RegularisedLikelihood(kinetic=0.1, jacobian=0.0, val_rows=2000)

    Attributes:
        kinetic: Price k of the paths' kinetic energy.
        jacobian: Price j of the velocity's Jacobian.
        val_rows: Rows of each validation batch whose log-density is computed.
    """

    kinetic: NonNegative = 0.01
    jacobian: NonNegative = 0.0
    val_rows: PositiveInt = 2000

    signed: ClassVar[bool] = True
    teaches = ContinuousFlow

    @property
    def reports(self) -> tuple[str, ...]:
        return ("val/loss", "val/nll")

    def cures(self, model: ContinuousFlow) -> tuple[str, ...]:
        return _steadier(model, "a larger `kinetic`")

    def loss(self, model: ContinuousFlow, batch: Batch) -> Float[Tensor, ""]:
        return regularised_likelihood(model, batch, kinetic=self.kinetic, jacobian=self.jacobian)

    def validate(
        self, model: ContinuousFlow, batch: Batch, number: int = 0
    ) -> dict[str, Float[Tensor, ""]]:
        nll = negative_log_likelihood(model, batch.rows(slice(self.val_rows)))
        return {"val/loss": nll, "val/nll": nll}


def negative_log_likelihood(model: Density, batch: Batch) -> Float[Tensor, ""]:
    """``-E[log p(x | c)]`` over a batch, weighted, in nats.

    Its minimiser is the model nearest to the data in ``KL(data || model)``.
    """
    return -weighted_mean(model.log_prob(batch.x, batch.context), batch.weight)


def regularised_likelihood(
    model: ContinuousFlow, batch: Batch, *, kinetic: float, jacobian: float
) -> Float[Tensor, ""]:
    """``E[-log p(x | c) + k int |v|^2 dt + j int |dv/dx|_F^2 dt]`` over a batch, weighted.

    Args:
        model: A continuous flow.
        batch: Data in data units.
        kinetic: Price k of the kinetic energy.
        jacobian: Price j of the Jacobian; above 0 it takes the whole Jacobian, or Hutchinson's
            probe.
    """
    log_prob, costs = model.log_prob_and_costs(batch.x, batch.context, jacobian=jacobian > 0)
    values = kinetic * costs.kinetic - log_prob
    if costs.jacobian is not None:
        values = values + jacobian * costs.jacobian
    return weighted_mean(values, batch.weight)


def _steadier(model: Density, price: str) -> tuple[str, ...]:
    """Changes that help a flow too fast for its equal steps: more of them, a price on speed."""
    if not isinstance(model, ContinuousFlow) or not isinstance(model.ode.solver, FixedStepSolver):
        return ()
    return f"`solver.steps={2 * model.ode.solver.steps}`", price
