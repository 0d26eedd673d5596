"""What the model-based samplers share whose model learns from points, as it learns from data."""

from __future__ import annotations

from dataclasses import dataclass

from genlab.batch import Batch
from genlab.samplers.fitting import Fit
from genlab.samplers.model_based import ModelSampler

__all__ = ["TaughtSampler"]


@dataclass(kw_only=True, eq=False, repr=False)
class TaughtSampler(ModelSampler):
    """Teaches its model by points that have weights or count the same, in its family's own way.

    Attributes:
        fit: How the model is taught.

    Raises:
        UserError: The model cannot be taught so.
    """

    fit: Fit

    def _check(self) -> None:
        self.fit.check(self.model)

    def _teach(self, batch: Batch) -> None:
        """One round of the fit."""
        first = not self.proposal.fitted
        self.fit(self.model, batch, first=first, generator=self._generator("fit"))
