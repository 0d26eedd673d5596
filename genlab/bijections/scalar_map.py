"""The contract of an increasing map of the line, applied coordinate by coordinate."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from genlab.nn.constants import Constants

__all__ = ["ScalarMap"]


class ScalarMap(Constants, ABC):
    """An increasing map ``z_i = g(x_i; p_i)`` whose parameters ``p_i`` another network supplies.

    Parameters that are all zero give the identity, so a coupling whose network starts at zero
    starts as the identity.

    Attributes:
        n_parameters: Number of parameters ``P`` that one coordinate needs.
    """

    n_parameters: int

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"] | None]:
        """``z = g(x)`` and ``log g'(x)``, coordinate by coordinate; None where ``g' = 1``."""

    @abstractmethod
    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"] | None]:
        """``x = g^{-1}(z)`` and ``log (g^{-1})'(z)``, coordinate by coordinate, or None."""

    def part(self, columns: slice) -> ScalarMap:
        """The map of some of the coordinates of a vector; the same where all are treated alike."""
        return self
