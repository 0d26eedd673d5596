"""Importance weights: an indicator known at points of one density, seen as samples of another."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from genlab.batch import effective_fraction

__all__ = ["Weights", "importance_weights"]


class Weights(NamedTuple):
    """Self-normalised weights ``w_i`` of points, proportional to ``h(x_i) / q(x_i)``.

    Attributes:
        values: ``w_i``, non-negative and of sum 1, in float64.
        mass: Estimate of ``Z = int h``, the mean of ``h / q``.
    """

    values: Float[Tensor, " n"]
    mass: float

    @property
    def effective(self) -> float:
        """Kish's effective sample size, as a fraction of the points."""
        return effective_fraction(self.values.log()).item()

    @property
    def largest(self) -> float:
        """The share of the heaviest point."""
        return self.values.max().item()


def importance_weights(h: Float[Tensor, " n"], log_q: Float[Tensor, " n"]) -> Weights:
    """``w_i = (h_i / q_i) / sum_j h_j / q_j``, the weights of ``x_i ~ q`` under ``h / Z``.

    Where ``h`` vanishes at all points there is nothing to prefer: they become samples of the
    uniform density, as if h were constant.

    Args:
        h: The indicator at the points, finite and non-negative.
        log_q: Log-density that the points were drawn from, at them.
    """
    log_ratio = h.double().log() - log_q.double()
    log_mass = log_ratio.logsumexp(0) - math.log(len(h))
    if not h.any():
        log_ratio = -log_q.double()
    return Weights(log_ratio.softmax(0), log_mass.exp().item())
