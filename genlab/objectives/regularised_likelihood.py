"""Maximum likelihood with a price on the paths of a continuous flow."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch, weighted_mean
from genlab.models.continuous import ContinuousFlow

__all__ = ["regularised_likelihood"]


def regularised_likelihood(
    model: ContinuousFlow, batch: Batch, *, kinetic: float, jacobian: float
) -> Float[Tensor, ""]:
    """``E[-log p(x | c) + k int |v|^2 dt + j int |dv/dx|_F^2 dt]`` over a batch, weighted.

    Of the many fields that carry the base to the data the prices single out one with straight
    paths at constant speed, and a smooth one, which takes a solver few steps (Finlay et al., "How
    to train your neural ODE: the world of Jacobian and kinetic regularization", 2020).

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
