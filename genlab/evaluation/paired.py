"""Whether one model predicts the same rows better than another, by more than chance."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.evaluation.estimate import Estimate, estimate_mean

__all__ = ["Paired", "Verdict", "paired"]

Verdict = Literal["better", "worse", "not told apart", "no number"]

ERRORS = 2
"""Standard errors below which a difference is not told from none."""


class Paired(NamedTuple):
    """A comparison of a model with another on the same rows.

    Attributes:
        difference: Mean of ``log p - log p_other``, nats a row.
        won: Share of the rows that the model gives the higher density; of equal ones half.
    """

    difference: Estimate
    won: Estimate

    @property
    def verdict(self) -> Verdict:
        """The difference in words.

        >>> Paired(Estimate(0.3, 0.2), Estimate(0.6, 0.05)).verdict
        'not told apart'
        """
        value, se = self.difference.value, self.difference.se
        if value != value or (se != se and value != 0):
            return "no number"
        if abs(value) == torch.inf:
            return "better" if value > 0 else "worse"
        if value == 0 or abs(value) < ERRORS * se:
            return "not told apart"
        return "better" if value > 0 else "worse"


def paired(
    log_p: Float[Tensor, " n"],
    log_p_other: Float[Tensor, " n"],
    weight: Float[Tensor, " n"] | None = None,
    groups: Int[Tensor, " n"] | None = None,
) -> Paired:
    """The paired difference of two log-densities of each of n rows.

    Rows that are hard for one model are mostly hard for the other one: their differences scatter
    less than the log-densities do (Student, "The probable error of a mean", 1908,
    doi:10.1093/biomet/6.1.1). The errors are those of independent rows, or groups of them, and of
    these two trainings: another seed of either is another model.

    Args:
        log_p: Of the model.
        log_p_other: Of the one it is compared with.
        weight: How much each row counts; None where all count the same.
        groups: What each row belongs to, where those of one group depend on each other.

    >>> import torch
    >>> hard = torch.linspace(-30.0, 0.0, 5, dtype=torch.float64)
    >>> found = paired(hard + torch.tensor([0.1, 0.3, 0.2, 0.1, 0.3]), hard)
    >>> round(found.difference.value, 3), round(found.difference.se, 3), found.verdict
    (0.2, 0.045, 'better')
    """
    ours, other = (values.detach().cpu().double() for values in (log_p, log_p_other))
    won = (ours > other).double() + 0.5 * (ours == other)
    difference = estimate_mean(ours - other, weight, groups)
    return Paired(difference, estimate_mean(won, weight, groups))
