"""The contract of a least-squares problem, and of the methods that step on one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from genlab.pde import Product

__all__ = ["LeastSquares", "Method", "Step", "loss_of"]


@runtime_checkable
class LeastSquares(Protocol):
    """``L(theta) = |R(theta)|^2``, to be minimised over the weights ``theta``.

    References: doi:10.1137/0111030.

    >>> import torch
    >>> class Line(LeastSquares):
    ...     def rows(self, theta):
    ...         return theta - 1
    ...     def linearise(self, theta):
    ...         return theta - 1, torch.eye(len(theta), dtype=theta.dtype)
    >>> Line().gradient(torch.zeros(2))
    (tensor([-1., -1.]), tensor([-2., -2.]))
    """

    def rows(self, theta: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
        """``R(theta)``."""

    def linearise(
        self, theta: Float[Tensor, " p"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n p"]]:
        """``R(theta)`` and the Jacobian ``J = dR / dtheta``."""

    def gradient(
        self, theta: Float[Tensor, " p"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " p"]]:
        """``R(theta)`` and the gradient ``2 J'R`` of ``L``, best without ``J``."""
        r, jacobian = self.linearise(theta)
        return r, 2 * (r @ jacobian)

    def products(self, theta: Float[Tensor, " p"]) -> tuple[Float[Tensor, " n"], Product, Product]:
        """``R(theta)``, and what multiplies by ``J`` and by ``J'``, best without ``J``."""
        r, jacobian = self.linearise(theta)
        return r, lambda v: jacobian @ v, lambda w: w @ jacobian


class Step(NamedTuple):
    """The outcome of a step.

    References: doi:10.1137/0111030.

    >>> import torch
    >>> Step(torch.zeros(2), torch.ones(1), torch.ones(3), loss=1.0, tries=1, accepted=True).before
    3.0

    Attributes:
        theta: The weights after it; those before where none was accepted.
        rows: ``R`` of these.
        start: ``R`` before.
        loss: ``L`` after.
        tries: Dampings or lengths that were tried.
        accepted: Whether one of them lowered ``L``.
    """

    theta: Float[Tensor, " p"]
    rows: Float[Tensor, " n"]
    start: Float[Tensor, " n"]
    loss: float
    tries: int
    accepted: bool

    @property
    def before(self) -> float:
        """``L`` before."""
        return loss_of(self.start)


class Method(ABC):
    """A way to take steps that each see all rows.

    References: doi:10.1137/0111030.

    >>> import torch
    >>> class Gauss(Method):  # without any damping, for a problem of as many rows as weights
    ...     def step(self, problem, theta):
    ...         r, jacobian = problem.linearise(theta)
    ...         after = theta - torch.linalg.solve(jacobian, r)
    ...         rows = problem.rows(after)
    ...         return Step(after, rows, r, float(rows @ rows), 1, accepted=True)
    >>> Gauss().state_dict()
    {}
    """

    @abstractmethod
    def step(self, problem: LeastSquares, theta: Float[Tensor, " p"]) -> Step:
        """One step.

        Args:
            problem: What is minimised.
            theta: The weights.
        """

    def memory(self, rows: int, weights: int) -> int:
        """Bytes that a step takes at most."""
        return 0

    def renew(self) -> None:  # noqa: B027 - most remember nothing
        """Forget what was computed of the last problem: the next one has other points."""

    def state_dict(self) -> dict[str, Any]:
        """The state that the next step depends on; logs show its numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - most have none
        """Go on from a state."""


def loss_of(r: Float[Tensor, " n"]) -> float:
    """``|r|^2``, infinite where it is not a number."""
    square = float(r @ r)
    return square if math.isfinite(square) else math.inf
