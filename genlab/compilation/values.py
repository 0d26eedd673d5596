"""Tensors of a graph, number by number: what loops compute them from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

from genlab.compilation.formulas import C_TYPES, COSTLY, FORMULAS, literal
from genlab.compilation.loops import Block, Loops
from genlab.compilation.places import VIEWS, Index, Place, broadcast, dot, merges, strides_of

__all__ = [
    "Computed",
    "Counted",
    "Stored",
    "UnloweredError",
    "Value",
    "constant",
    "converted",
    "dtype_of",
    "merging",
    "name_of",
    "seen",
    "shape_of",
    "size_of",
    "view",
]

Shape = tuple[int, ...]
TYPES = (*C_TYPES,)

# As many sums take as long as a costly operation.
COSTS = 10


class UnloweredError(Exception):
    """A graph that cannot be made loops."""


@dataclass(eq=False)
class Value:
    """A tensor of a graph.

    Attributes:
        shape: Its shape.
        dtype: Its type.
        weight: Operations that a number of it takes.
    """

    shape: Shape
    dtype: torch.dtype
    weight: int = field(default=0, kw_only=True)

    def at(self, index: Index, loops: Loops) -> str:
        """The name of a number of it within a loop's body."""
        raise NotImplementedError


@dataclass(eq=False)
class Stored(Value):
    """Numbers that are in memory."""

    block: Block
    offset: int
    strides: Shape

    @classmethod
    def whole(cls, block: Block, shape: Shape, offset: int = 0) -> Stored:
        """Numbers that stand one behind the other."""
        return cls(shape, block.dtype, block, offset, strides_of(shape))

    @property
    def contiguous(self) -> bool:
        """Whether they stand one behind the other, row by row."""
        pairs = zip(self.shape, self.strides, strides_of(self.shape), strict=True)
        return all(size == 1 or a == b for size, a, b in pairs)

    @property
    def leading(self) -> tuple[str, int] | None:
        """How BLAS reads a matrix, or each of several: ``N`` by rows or ``T`` by columns, so far
        apart; None if neither are without gaps."""
        (rows, columns), (down, along) = self.shape[-2:], self.strides[-2:]
        if (columns == 1 or along == 1) and (rows == 1 or down >= columns):
            return "N", max(1, columns if rows == 1 else down)
        if (rows == 1 or down == 1) and (columns == 1 or along >= rows):
            return "T", max(1, rows if columns == 1 else along)
        return None

    def place(self, index: Index) -> Place:
        """How far from its beginning a number is."""
        return dot(index, self.strides)

    def at(self, index: Index, loops: Loops) -> str:
        return loops.load(self.block, self.place(index).moved(self.offset))


@dataclass(eq=False)
class Seen(Value):
    """Numbers of another tensor, elsewhere."""

    of: Value
    where: Callable[[Index], Index]

    def at(self, index: Index, loops: Loops) -> str:
        return self.of.at(self.where(index), loops)


@dataclass(eq=False)
class Computed(Value):
    """A formula of numbers at the same place, each of its tensors read as if of this shape."""

    parts: Sequence[Value | str]
    formula: Callable[..., str]

    @classmethod
    def by(cls, name: str, shape: Shape, dtype: torch.dtype, *parts: Value | str) -> Computed:
        """By one of `FORMULAS`, of tensors and of numbers that are written in C++."""
        weight = sum(part.weight for part in parts if isinstance(part, Value))
        own = COSTS if name in COSTLY else name != "clone"
        return cls(shape, dtype, parts, FORMULAS[name], weight=weight + own)

    def at(self, index: Index, loops: Loops) -> str:
        key = (id(self), index)
        if key not in loops.memo:
            words = (
                part if isinstance(part, str) else part.at(broadcast(part.shape, index), loops)
                for part in self.parts
            )
            loops.memo[key] = loops.let(self.dtype, self.formula(*words))
        return loops.memo[key]


@dataclass(eq=False)
class Counted(Value):
    """``start + step i`` for the i-th number."""

    start: float
    step: float

    def at(self, index: Index, loops: Loops) -> str:
        start, step = (literal(number, self.dtype) for number in (self.start, self.step))
        return loops.let(self.dtype, f"{start} + {step} * ({{0}})", *index)


def constant(shape: Shape, dtype: torch.dtype, number: float) -> Computed:
    """The same number everywhere."""
    return Computed.by("clone", shape, dtype, literal(number, dtype))


def converted(value: Any, dtype: torch.dtype) -> Value | str:
    """A tensor, or a number of Python's, as of another type."""
    if not isinstance(value, Value):
        return literal(value, dtype)
    return value if value.dtype == dtype else Computed.by("clone", value.shape, dtype, value)


def view(node: Node, of: Value) -> Value:
    """What a node that is a view sees of a value; merging axes takes memory without gaps."""
    shape = shape_of(node)
    if merging(node):
        assert isinstance(of, Stored)
        return Stored.whole(of.block, shape, of.offset)
    return seen(of, shape, VIEWS[node.target](of.shape, shape, *node.args[1:]))


def seen(of: Value, shape: Shape, where: Callable[[Index], Index]) -> Value:
    """A value elsewhere; of memory, memory in other steps."""
    if not isinstance(of, Stored):
        return Seen(shape, of.dtype, of, where, weight=of.weight)
    axes = [f"i{axis}" for axis in range(len(shape))]
    place = of.place(where(tuple(map(Place.of, axes))))
    strides = tuple(place.factor(axis) for axis in axes)
    return Stored(shape, of.dtype, of.block, of.offset + place.constant, strides)


def merging(node: Node) -> bool:
    """Whether a node makes one axis of several."""
    if node.target not in VIEWS or "view" not in name_of(node):
        return False
    return merges(shape_of(node.all_input_nodes[0]), shape_of(node))


def shape_of(node: Node) -> Shape:
    return tuple(node.meta["val"].shape)


def size_of(node: Node) -> int:
    return math.prod(shape_of(node))


def dtype_of(node: Node) -> torch.dtype:
    """The type of a node's numbers.

    Raises:
        UnloweredError: Loops do not know it.
    """
    dtype: torch.dtype = node.meta["val"].dtype
    if dtype not in TYPES:
        raise UnloweredError(f"{node.target} is {dtype}; expected one of {TYPES}")
    return dtype


def name_of(node: Node) -> str:
    """The name of a node's operation, without that of the overload."""
    name: str = getattr(node.target, "overloadpacket", node.target).__name__  # type: ignore[union-attr]
    return name
