"""What a program does besides loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genlab.compilation.loops import Block, Loops
from genlab.compilation.values import Stored

__all__ = ["Call", "Product", "Work", "blocks_of"]


@dataclass(frozen=True)
class Product:
    """``out = a b``, of matrices, or of as many matrices as there are in ``out``."""

    out: Stored
    a: Stored
    b: Stored


@dataclass(frozen=True)
class Call:
    """An operation that torch does itself, on tensors in memory.

    Attributes:
        target: The operation.
        arguments: What it is called with.
        keywords: And by name.
        outs: Where its results go.
    """

    target: Any
    arguments: Sequence[Any]
    keywords: Mapping[str, Any]
    outs: Sequence[Stored]


Work = Loops | Product | Call


def blocks_of(work: Work) -> set[Block]:
    """The memory that is read or written."""
    if isinstance(work, Loops):
        return {pointer.block for pointer in work.pointers}
    if isinstance(work, Product):
        return {work.out.block, work.a.block, work.b.block}
    return {one.block for one in _tensors([work.arguments, work.keywords, work.outs])}


def _tensors(value: Any) -> Iterator[Stored]:
    if isinstance(value, Stored):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)
