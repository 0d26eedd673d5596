"""Functions whose sign is a logical combination of the signs of their arguments.

Rvachev, Sheiko, "R-functions in boundary value problems in mechanics", 1995,
doi:10.1115/1.3005099. Both are smooth but where both arguments are zero. Where only one is, and
decides the sign, both fall to zero as it does.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["conjunction", "disjunction"]


def conjunction(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """``a + b - sqrt(a^2 + b^2)``: positive where both are."""
    return a + b - _length(a, b)


def disjunction(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """``a + b + sqrt(a^2 + b^2)``: positive where one of the two is."""
    return a + b + _length(a, b)


def _length(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """``sqrt(a^2 + b^2)``, with the slope zero at zero, where it has none: a corner is no NaN."""
    squares = a.square() + b.square()
    corner = squares == 0
    return torch.where(corner, 0.0, torch.where(corner, 1.0, squares).sqrt())
