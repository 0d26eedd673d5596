"""Loops over the numbers of a tensor, as C++ functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from genlab.compilation.formulas import C_TYPES
from genlab.compilation.places import ORIGIN, Index, Place

__all__ = ["Block", "Loops", "Pointer"]


class Block:
    """Memory of a program: an input of it, or what it computes.

    Args:
        dtype: Type of its numbers.
        size: How many there are.
        number: Of an input, which one; None of what is computed.
    """

    def __init__(self, dtype: torch.dtype, size: int, number: int | None = None) -> None:
        self.dtype = dtype
        self.size = size
        self.number = number


class Pointer(NamedTuple):
    """A place in a block, where a function begins to read or to write."""

    block: Block
    offset: int


class Line(NamedTuple):
    """A statement of a loop's body, whose places in memory stand in it as ``{0}``, ``{1}``, ..."""

    text: str
    places: tuple[Place, ...] = ()


class Loops:
    """Loops over a shape, one in the other, and a body of statements.

    A statement that is there already is not written again, but gives the same name.

    Args:
        shape: The shape.
        order: Its axes from the outermost loop to the innermost one; as they are if None.
        inner: How many innermost loops the sum `total` runs over; 0 for none.

    Attributes:
        index: The place of the body's number along each axis.
        pointers: What the function is called with, in order.
    """

    def __init__(
        self, shape: Sequence[int], *, order: Sequence[int] | None = None, inner: int = 0
    ) -> None:
        axes = range(len(shape)) if order is None else order
        self.index: Index = tuple(
            ORIGIN if size == 1 else Place.of(f"i{axis}") for axis, size in enumerate(shape)
        )
        self._loops = [(f"i{axis}", shape[axis]) for axis in axes if shape[axis] != 1]
        self._inner = sum(shape[axis] != 1 for axis in list(axes)[len(axes) - inner :])
        self.pointers: list[Pointer] = []
        self._written: set[Block] = set()
        self._names: dict[Line, str] = {}
        self._body: list[Line] = []
        self._before: list[Line] = []
        self._after: list[Line] = []
        self._sums = False
        self.memo: dict[object, str] = {}

    def let(self, dtype: torch.dtype, text: str, *places: Place) -> str:
        """The name of a number that is computed once in the body."""
        line = Line(f"{C_TYPES[dtype]} {text}", places)
        if line not in self._names:
            self._names[line] = f"t{len(self._names)}"
            self._body.append(Line(f"const {C_TYPES[dtype]} {self._names[line]} = {text};", places))
        return self._names[line]

    def load(self, block: Block, place: Place) -> str:
        """The name of a number that is read; what is constant of its place goes to the pointer."""
        pointer = self._pointer(Pointer(block, place.constant))
        return self.let(block.dtype, f"{pointer}[{{0}}]", place._replace(constant=0))

    def store(
        self, block: Block, offset: int, place: Place, text: str, *, onto: int | None = None
    ) -> None:
        """Write a number.

        Args:
            block: Where.
            offset: Where in it the tensor begins.
            place: And the number.
            text: The number.
            onto: How far before it another one stands that it is added to; None for none.
        """
        self._written.add(block)
        pointer = self._pointer(Pointer(block, offset))
        before = "" if onto is None else f"{pointer}[{{1}}] + "
        places = (place, place.moved(-(onto or 0)))
        self._body.append(Line(f"{pointer}[{{0}}] = {before}{text};", places))

    def total(
        self, block: Block, offset: int, place: Place, text: str, start: str, rule: str
    ) -> None:
        """Write what the inner loops make of a number.

        Args:
            block: Where.
            offset: Where in it the tensor begins.
            place: And the number.
            text: What each turn brings.
            start: What it begins with.
            rule: What becomes of the total ``a`` by ``b``, or ``+``.
        """
        self._written.add(block)
        pointer, kind = self._pointer(Pointer(block, offset)), C_TYPES[block.dtype]
        # Many small numbers on a large one would be rounded away.
        own = "double" if block.dtype == torch.float32 and rule == "+" else kind
        self._before = [Line(f"{own} a = {start};")]
        if rule == "+":
            self._body.append(Line(f"a += {text};"))
        else:
            self._body += [Line(f"const {kind} b = {text};"), Line(f"a = {rule};")]
        self._after = [Line(f"{pointer}[{{0}}] = a;", (place,))]
        self._sums = rule == "+"

    def source(self) -> tuple[str, str]:
        """Parameters and body of a function, which functions that do the same have alike."""
        parameters = ", ".join(
            f"{'' if pointer.block in self._written else 'const '}"
            f"{C_TYPES[pointer.block.dtype]}* __restrict p{number}"
            for number, pointer in enumerate(self.pointers)
        )
        self._collapse()
        loops, lines = self._loops, list[str]()
        outer = len(loops) - self._inner if self._before else 0
        for depth, (name, size) in enumerate(loops):
            if self._before and depth == outer:
                lines += [_written(line) for line in self._before]
            if outer <= depth == len(loops) - 1 and self._sums:
                lines.append("#pragma omp simd reduction(+:a)")
            lines.append(f"for (int64_t {name} = 0; {name} < {size}; ++{name}) {{")
        if self._before and outer == len(loops):
            lines += [_written(line) for line in self._before]
        lines += [_written(line) for line in self._body]
        lines += ["}"] * (len(loops) - outer)
        lines += [_written(line) for line in self._after]
        lines += ["}"] * outer
        return parameters, "\n".join(lines)

    def _pointer(self, pointer: Pointer) -> str:
        if pointer not in self.pointers:
            self.pointers.append(pointer)
        return f"p{self.pointers.index(pointer)}"

    def _collapse(self) -> None:
        """Make two loops one where all places go on from one row to the next."""
        loops = self._loops
        for k in range(len(loops) - 2, -1, -1):
            (name, _), (next_name, size) = loops[k : k + 2]
            if self._before and k == len(loops) - self._inner - 1:
                continue  # one of them runs over what is summed, the other does not
            places = [place for line in (*self._body, *self._after) for place in line.places]
            if all(p.factor(name) == size * p.factor(next_name) for p in places):
                self._inner -= self._before != [] and k >= len(loops) - self._inner
                loops[k : k + 2] = [(next_name, loops[k][1] * size)]
                self._gone(name)

    def _gone(self, name: str) -> None:
        """Leave a counter out of all places."""
        for lines in (self._body, self._after):
            lines[:] = [
                line._replace(places=tuple(place.without(name) for place in line.places))
                for line in lines
            ]


def _written(line: Line) -> str:
    return line.text.format(*line.places) if line.places else line.text
