"""What one sample is: its shape, and which of its coordinates are angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from genlab.bounds import NonNegativeInt, PositiveInt

__all__ = ["Circular", "EventShape", "angles_of", "shape_of"]

EventShape = PositiveInt | Sequence[PositiveInt]
"""Shape of one sample; a number is the length of a vector."""

Circular = Literal["all"] | Sequence[NonNegativeInt]
"""Coordinates that are angles, by number; those of an array are counted row by row."""


def shape_of(event_shape: EventShape) -> tuple[int, ...]:
    """The shape as a tuple.

    >>> shape_of(3)
    (3,)
    """
    return (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)


def angles_of(circular: Circular, event_shape: EventShape) -> tuple[int, ...]:
    """The numbers of the coordinates that are angles.

    >>> angles_of("all", 3)
    (0, 1, 2)

    Raises:
        ValueError: One is no coordinate, or named twice.
    """
    dim = math.prod(shape_of(event_shape))
    found = tuple(range(dim) if circular == "all" else circular)
    if any(i >= dim for i in found) or len(set(found)) < len(found):
        raise ValueError(f"circular: expected some of 0 .. {dim - 1}, got {list(found)}")
    return found
