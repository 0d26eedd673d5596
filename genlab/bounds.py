"""Annotated number types: a signature states its bounds once, and the configuration enforces them.

``layers: PositiveInt`` is an ``int`` to the type checker. `genlab.config` reads the bound from the
signature, so ``model.layers=-3`` is refused before anything is built, with the key and the value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

__all__ = [
    "Bound",
    "Fraction",
    "Interval",
    "NonNegative",
    "NonNegativeInt",
    "Positive",
    "PositiveInt",
]


@dataclass(frozen=True)
class Bound:
    """The interval that a number must lie in; ``open_low`` and ``open_high`` exclude the ends."""

    low: float
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the interval; NaN never does."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"{'greater than' if self.open_low else 'at least'} {self.low:.10g}"
        if self.high == float("inf"):
            return low
        return f"{low} and {'less than' if self.open_high else 'at most'} {self.high:.10g}"


@dataclass(frozen=True)
class Interval:
    """Two numbers ``[low, high]`` with ``low < high``, both finite."""

    def holds(self, value: Sequence[float]) -> bool:
        """Whether ``value`` is such a pair."""
        return len(value) == 2 and all(map(_is_finite, value)) and value[0] < value[1]

    def __str__(self) -> str:
        return "[low, high] with low < high, both finite"


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)


PositiveInt = Annotated[int, Bound(1.0)]
NonNegativeInt = Annotated[int, Bound(0.0)]
Positive = Annotated[float, Bound(0.0, open_low=True)]
NonNegative = Annotated[float, Bound(0.0)]
Fraction = Annotated[float, Bound(0.0, 1.0)]
