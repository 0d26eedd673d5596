"""The form of one sample: its shape, its coordinates that are angles, and their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from genlab.bounds import NonNegativeInt, PositiveInt

__all__ = ["Circular", "EventShape", "Names", "angles_of", "shape_of"]

EventShape = PositiveInt | Sequence[PositiveInt]
"""Shape of one sample; a number is the length of a vector."""

Circular = Literal["all"] | Sequence[NonNegativeInt]
"""Coordinates that are angles, by number; those of an array are counted row by row."""


class Names(NamedTuple):
    """Names of the numbers of samples and contexts, as a frame or a file has them.

    Attributes:
        columns: The coordinates of a sample; None where they have no names.
        context: The coordinates of a context vector.
        label: The column of classes; None where it has no name.
        classes: The values of that column, in the order of the classes' numbers, mostly words; none
            where it holds these numbers.
    """

    columns: tuple[str, ...] | None = None
    context: tuple[str, ...] = ()
    label: str | None = None
    classes: tuple[Any, ...] = ()


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
