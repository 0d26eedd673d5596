"""The loops and calls that compute a graph, as far as they are known."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.fx import Node

from genlab.compilation.loops import Block, Loops
from genlab.compilation.values import Stored, Value
from genlab.compilation.work import Work

__all__ = ["Plan"]


class Plan:
    """Work in its order, and the values of the nodes of a graph that it computes.

    Attributes:
        work: What has to be done.
        values: Of each node that is computed so far, its value.
        homes: Of nodes whose numbers are to stand in a certain place, this place.
    """

    def __init__(self) -> None:
        self.work: list[Work] = []
        self.values: dict[Node, Any] = {}
        self.homes: dict[Node, Stored] = {}

    def value(self, argument: Any) -> Any:
        """The value of a node; what is none is as it is."""
        return self.values[argument] if isinstance(argument, Node) else argument

    def argument(self, node: Node, number: int) -> Value:
        """A tensor that a node is given."""
        value: Value = self.values[node.args[number]]  # type: ignore[index]
        return value

    def home(self, node: Node | None, shape: tuple[int, ...], dtype: torch.dtype) -> Stored:
        """Memory for the numbers of a node, or for others."""
        if node is not None and node in self.homes:
            return self.homes[node]
        return Stored.whole(Block(dtype, math.prod(shape)), shape)

    def fill(self, out: Stored, value: Value) -> None:
        """Compute all numbers of a value, and write them."""
        loops = Loops(value.shape)
        text = value.at(loops.index, loops)
        loops.store(out.block, out.offset, out.place(loops.index), text)
        self.work.append(loops)

    def stored(self, value: Value, node: Node | None = None) -> Stored:
        """The numbers in memory, without gaps."""
        if isinstance(value, Stored) and value.contiguous:
            return value
        out = self.home(node, value.shape, value.dtype)
        self.fill(out, value)
        return out
