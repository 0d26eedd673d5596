"""Coefficients that are not known of an equation, and learned together with its solution."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Coefficient"]


class Coefficient(NamedTuple):
    """A number in a PDE that is to be found, by a weight ``w`` of order one that starts at zero.

    ``c = c_0 e^w`` where it is positive, ``c = c_0 + s w`` where it may be any number, so that a
    step of one in ``w`` is neither large nor small (section 4 of Raissi, Perdikaris, Karniadakis,
    "Physics-informed neural networks", 2019, doi:10.1016/j.jcp.2018.10.045, learns coefficients as
    further parameters).

    >>> diffusivity = Coefficient(start=2.0)
    >>> diffusivity.of(torch.tensor([0.0, 1.0]))
    tensor([2.0000, 5.4366])

    Attributes:
        start: ``c_0``, from which it is sought.
        positive: Whether it is positive.
        scale: ``s``, of one that is not.
        exact: Its true value, where that is known.
    """

    start: float
    positive: bool = True
    scale: float = 1.0
    exact: float | None = None

    def of(self, weight: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """``c`` of the weight ``w``."""
        if self.positive:
            return self.start * torch.exp(weight)
        return self.start + self.scale * weight
