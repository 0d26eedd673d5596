"""Criteria by which a point asks for attention: what makes the indicator that samplers follow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegative
from genlab.errors import UserError
from genlab.pde import Jets, jets_of, squared

__all__ = ["Criterion", "SquaredGradient", "SquaredResidual", "WeightedSum"]


class Criterion(ABC):
    """The indicator ``h(x) >= 0`` of the present network.

    >>> class Value(Criterion):  # where the solution is large
    ...     def __call__(self, u, residual):
    ...         return u.value.square()
    >>> import torch
    >>> from genlab.pde import Jet
    >>> u = Jet(torch.tensor([3.0]), torch.zeros(1, 2), torch.zeros(1))
    >>> Value()(u, torch.zeros(1))
    tensor([9.])
    """

    @abstractmethod
    def __call__(self, u: Jets, residual: Float[Tensor, "n *e"]) -> Float[Tensor, " n"]:
        """The indicator at points.

        Args:
            u: The network's jet there, or those of its components.
            residual: Its residual there, ``[n]``, or ``[n, e]`` of several equations.
        """


class SquaredResidual(Criterion):
    """``h = |r(u)|^2``: what the loss is made of.

    Of DAS-PINNs (Tang, Wan, Yang, 2023, arXiv:2112.14038).

    >>> import torch
    >>> from genlab.pde import Jet
    >>> u = Jet(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1))
    >>> SquaredResidual()(u, torch.tensor([-2.0]))
    tensor([4.])
    """

    def __call__(self, u: Jets, residual: Float[Tensor, "n *e"]) -> Float[Tensor, " n"]:
        return squared(residual)


class SquaredGradient(Criterion):
    """``h = |grad u|^2``: where the solution is steep, time counted as a coordinate.

    Points follow the gradient as well as the residual in Mao, Meng, "Physics-informed neural
    networks with residual/gradient-based adaptive sampling methods for solving PDEs with sharp
    solutions" (2023, arXiv:2302.08035).

    >>> import torch
    >>> from genlab.pde import Jet
    >>> u = Jet(torch.zeros(1), torch.tensor([[3.0, 4.0]]), torch.zeros(1))
    >>> SquaredGradient()(u, torch.zeros(1))
    tensor([25.])
    """

    def __call__(self, u: Jets, residual: Float[Tensor, "n *e"]) -> Float[Tensor, " n"]:
        slopes = torch.cat([one.gradient for one in jets_of(u)], 1)
        return slopes.square().sum(1)


class WeightedSum(Criterion):
    """``h = sum_i w_i h_i``, such as of residual and gradient (Mao, Meng, 2023, arXiv:2302.08035).

    >>> import torch
    >>> from genlab.pde import Jet
    >>> u = Jet(torch.zeros(1), torch.tensor([[3.0, 4.0]]), torch.zeros(1))
    >>> both = WeightedSum(criteria=[SquaredResidual(), SquaredGradient()], weights=[1.0, 0.1])
    >>> both(u, torch.tensor([2.0]))
    tensor([6.5000])

    Args:
        criteria: What gives each ``h_i``.
        weights: The weights ``w_i``, as many.

    Raises:
        UserError: Their numbers differ, or all weights are zero.
    """

    def __init__(self, *, criteria: Sequence[Criterion], weights: Sequence[NonNegative]) -> None:
        if len(criteria) != len(weights) or not any(weights):
            raise UserError(
                f"weights={list(weights)}: expected {len(criteria)} numbers, not all zero"
            )
        self.criteria = list(criteria)
        self.weights = list(weights)

    def __call__(self, u: Jets, residual: Float[Tensor, "n *e"]) -> Float[Tensor, " n"]:
        total = residual.new_zeros(len(residual))
        for weight, criterion in zip(self.weights, self.criteria, strict=True):
            total = total + weight * criterion(u, residual)
        return total
