"""Learning a Gaussian mixture by gradient descent."""

from __future__ import annotations

from genlab.batch import Batch
from genlab.learning.maximum_likelihood import MaximumLikelihood
from genlab.models.gmm import GMM
from genlab.objectives.mixture_fit import MixtureFit

__all__ = ["MixtureDescent"]


class MixtureDescent(MaximumLikelihood):
    """Maximum likelihood from a start that EM chooses on the first rows, as for EM itself.

    With a context vector it is the conditional likelihood ``p(x | c)`` that is maximised.
    """

    model: GMM

    def initialise(self, rows: Batch) -> None:
        super().initialise(rows)
        MixtureFit(self.model).start(rows)
