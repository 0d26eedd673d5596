"""Learning by maximum likelihood."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.learning.gradient import GradientLearner
from genlab.objectives.maximum_likelihood import negative_log_likelihood

__all__ = ["MaximumLikelihood"]


class MaximumLikelihood(GradientLearner):
    """Minimises ``-E[log p(x | c)]``, for every family whose likelihood is exact."""

    stackable: ClassVar[bool] = True

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        return negative_log_likelihood(self.model, batch)

    def validate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        nll = self.loss(batch)
        return {"val/loss": nll, "val/nll": nll}
