"""Where a number stands: places along axes, in terms of the counters of loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import torch

__all__ = ["ORIGIN", "VIEWS", "Index", "Place", "broadcast", "dot", "merges", "strides_of"]

aten = torch.ops.aten
Shape = tuple[int, ...]


class Place(NamedTuple):
    """``c + sum_k a_k i_k``: a place along an axis, or in memory, of the counters ``i_k``.

    >>> i = Place.of("i0")
    >>> str(i.times(64).plus(Place.of("i1")).moved(3))
    '64*i0+i1+3'

    Attributes:
        terms: Each counter and its factor ``a_k``, sorted; none is 0.
        constant: ``c``.
    """

    terms: tuple[tuple[str, int], ...] = ()
    constant: int = 0

    @classmethod
    def of(cls, counter: str) -> Self:
        """The counter itself."""
        return cls(((counter, 1),))

    def factor(self, counter: str) -> int:
        """How far it goes with one turn of a counter."""
        return dict(self.terms).get(counter, 0)

    def without(self, counter: str) -> Self:
        """The same at the counter's 0."""
        return self._replace(terms=tuple(term for term in self.terms if term[0] != counter))

    def times(self, factor: int) -> Self:
        terms = tuple((name, factor * a) for name, a in self.terms) if factor else ()
        return self._replace(terms=terms, constant=factor * self.constant)

    def plus(self, other: Place) -> Self:
        terms = dict(self.terms)
        for name, a in other.terms:
            terms[name] = terms.get(name, 0) + a
        kept = tuple(sorted((name, a) for name, a in terms.items() if a))
        return self._replace(terms=kept, constant=self.constant + other.constant)

    def moved(self, by: int) -> Self:
        return self._replace(constant=self.constant + by)

    def __str__(self) -> str:
        parts = [f"{a}*{name}" if a != 1 else name for name, a in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return "+".join(parts).replace("+-", "-")


ORIGIN = Place()
Index = tuple[Place, ...]
"""A place along each axis."""
Where = Callable[[Index], Index]
"""Where in a tensor each number of a view of it stands."""


def strides_of(shape: Sequence[int]) -> Shape:
    """Of a tensor without gaps, row by row: ``(6, 2, 1)`` for ``[4, 3, 2]``."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def dot(index: Index, strides: Sequence[int]) -> Place:
    """The place in memory."""
    place = ORIGIN
    for along, stride in zip(index, strides, strict=True):
        place = place.plus(along.times(stride))
    return place


def broadcast(shape: Sequence[int], index: Index) -> Index:
    """Where a tensor is read that is as if repeated along axes in front, and of length 1."""
    behind = index[len(index) - len(shape) :]
    return tuple(ORIGIN if size == 1 else along for size, along in zip(shape, behind, strict=True))


def groups(shape: Sequence[int], seen: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Which axes of a tensor make which axes of a reshaped one, longer than 1, in order.

    >>> groups((4, 6), (4, 2, 3))
    [([0], [0]), ([1], [1, 2])]
    """
    if 0 in shape:
        return []  # there is no number to be found
    old = [axis for axis, size in enumerate(shape) if size != 1]
    new = [axis for axis, size in enumerate(seen) if size != 1]
    found = []
    while old:
        ours, theirs = [old.pop(0)], [new.pop(0)]
        while (a := math.prod(shape[k] for k in ours)) != (b := math.prod(seen[k] for k in theirs)):
            if a < b:
                ours.append(old.pop(0))
            else:
                theirs.append(new.pop(0))
        found.append((ours, theirs))
    return found


def merges(shape: Sequence[int], seen: Sequence[int]) -> bool:
    """Whether a reshaped tensor has an axis that several of the tensor make."""
    return any(len(ours) > 1 for ours, _ in groups(shape, seen))


def _reshaped(shape: Shape, seen: Shape) -> Where:
    pairs = groups(shape, seen)

    def where(index: Index) -> Index:
        found = [ORIGIN] * len(shape)
        for (axis,), theirs in pairs:
            strides = strides_of([seen[k] for k in theirs])
            found[axis] = dot(tuple(index[k] for k in theirs), strides)
        return tuple(found)

    return where


def _permuted(shape: Shape, seen: Shape, axes: Sequence[int]) -> Where:
    order = [axis % len(shape) for axis in axes]
    return lambda index: tuple(index[order.index(axis)] for axis in range(len(shape)))


def _swapped(shape: Shape, seen: Shape, a: int = 0, b: int = 1) -> Where:
    if len(shape) < 2:
        return lambda index: index
    order = list(range(len(shape)))
    order[a], order[b] = order[b], order[a]
    return _permuted(shape, seen, order)


def _sliced(
    shape: Shape,
    seen: Shape,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Where:
    axis, first = axis % len(shape), slice(start, end).indices(shape[axis])[0]

    def where(index: Index) -> Index:
        moved = index[axis].times(step).moved(first)
        return (*index[:axis], moved, *index[axis + 1 :])

    return where


def _selected(shape: Shape, seen: Shape, axis: int, at: int) -> Where:
    axis, at = axis % len(shape), at % shape[axis]
    return lambda index: (*index[:axis], Place((), at), *index[axis:])


def _flipped(shape: Shape, seen: Shape, axes: Sequence[int]) -> Where:
    turned = {axis % len(shape) for axis in axes}
    return lambda index: tuple(
        along.times(-1).moved(shape[axis] - 1) if axis in turned else along
        for axis, along in enumerate(index)
    )


def _same(shape: Shape, seen: Shape, *_: Any) -> Where:
    return lambda index: index


VIEWS: dict[Any, Callable[..., Where]] = {
    aten.view.default: lambda shape, seen, *_: _reshaped(shape, seen),
    aten._unsafe_view.default: lambda shape, seen, *_: _reshaped(shape, seen),
    aten.unsqueeze.default: lambda shape, seen, *_: _reshaped(shape, seen),
    aten.squeeze.default: lambda shape, seen, *_: _reshaped(shape, seen),
    aten.squeeze.dim: lambda shape, seen, *_: _reshaped(shape, seen),
    aten.squeeze.dims: lambda shape, seen, *_: _reshaped(shape, seen),
    aten.expand.default: lambda shape, seen, *_: lambda index: broadcast(shape, index),
    aten.permute.default: _permuted,
    aten.t.default: _swapped,
    aten.transpose.int: _swapped,
    aten.slice.Tensor: _sliced,
    aten.select.int: _selected,
    aten.flip.default: _flipped,
    aten.alias.default: _same,
    aten.detach.default: _same,
    aten.lift_fresh_copy.default: _same,
}
"""Of each operation that only looks at a tensor otherwise: where, by shapes and arguments."""
