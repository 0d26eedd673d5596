"""The principle of maximum likelihood."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch, weighted_mean
from genlab.densities.density import Density

__all__ = ["negative_log_likelihood"]


def negative_log_likelihood(model: Density, batch: Batch) -> Float[Tensor, ""]:
    """``-E[log p(x | c)]`` over a batch, weighted, in nats.

    Its minimiser is the model nearest to the data in ``KL(data || model)``.
    """
    return -weighted_mean(model.log_prob(batch.x, batch.context), batch.weight)
