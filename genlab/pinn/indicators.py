"""Criteria by which a point asks for attention: what makes the indicator that samplers follow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegative
from genlab.errors import UserError
from genlab.pde import Jet

__all__ = ["Criterion", "SquaredGradient", "SquaredResidual", "WeightedSum"]


class Criterion(ABC):
    """The indicator ``h(x) >= 0`` of the present network."""

    @abstractmethod
    def __call__(self, u: Jet, residual: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The indicator at points.

        Args:
            u: The network's jet there.
            residual: Its residual there.
        """


class SquaredResidual(Criterion):
    """``h = r(u)^2``: what the loss is made of."""

    def __call__(self, u: Jet, residual: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return residual.square()


class SquaredGradient(Criterion):
    """``h = |grad u|^2``: where the solution is steep."""

    def __call__(self, u: Jet, residual: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return u.gradient.square().sum(1)


class WeightedSum(Criterion):
    """``h = sum_i w_i h_i``.

    Args:
        criteria: What gives each ``h_i``.
        weights: The weights ``w_i``, as many.

    Raises:
        UserError: Their numbers differ, or all weights are zero.
    """

    def __init__(self, *, criteria: Sequence[Criterion], weights: Sequence[NonNegative]) -> None:
        if len(criteria) != len(weights) or not any(weights):
            raise UserError(
                f"indicator.weights={list(weights)}: expected {len(criteria)} numbers, not all zero"
            )
        self.criteria = list(criteria)
        self.weights = list(weights)

    def __call__(self, u: Jet, residual: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        total = residual.new_zeros(len(residual))
        for weight, criterion in zip(self.weights, self.criteria, strict=True):
            total = total + weight * criterion(u, residual)
        return total
