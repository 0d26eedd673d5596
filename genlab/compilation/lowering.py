"""A graph of torch's basic operations as loops, products of matrices and calls of torch."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.fx import Graph, Node

from genlab.compilation.formulas import FORMULAS
from genlab.compilation.loops import Block, Loops
from genlab.compilation.operations import FLOATING, OPERATIONS, PARTED, PRODUCTS
from genlab.compilation.places import VIEWS
from genlab.compilation.plan import Plan
from genlab.compilation.values import (
    TYPES,
    Computed,
    Stored,
    UnloweredError,
    Value,
    dtype_of,
    merging,
    name_of,
    shape_of,
    size_of,
    view,
)
from genlab.compilation.work import Call

__all__ = ["Lowering"]

aten = torch.ops.aten

# So many operations are rather done again for a second use than kept in memory.
FEW = 8
# Operations of one loop's body, at most.
MOST = 200
# Where and how torch would make a tensor: all are on the CPU, without gaps.
PLACED = ("device", "layout", "pin_memory", "memory_format")


class Lowering(Plan):
    """What has to be done, in order, to compute a graph.

    Each number is computed where it is needed, within the loops of what needs it, unless several
    need it and it takes long. What is in memory has no gaps; the parts of a row are computed where
    they are to stand in it.

    Args:
        graph: The graph; it changes no tensor but its inputs, each of them as a whole, at its end.

    Attributes:
        outputs: What it returns.

    Raises:
        UnloweredError: It changes another tensor in place, or has numbers of other types.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.outputs: list[Stored] = []
        nodes = list(graph.nodes)
        for node in nodes:
            _leave_in_place(node)
        self._needed = _in_memory(nodes)
        self._late = _at_the_end(nodes)
        for node in nodes:
            self._settle(node)
        inputs = [node for node in nodes if node.op == "placeholder"]
        changes = [node for node in nodes if node.target is aten.copy_.default]
        for number, node in enumerate(inputs):
            block = Block(dtype_of(node), size_of(node), number)
            self.values[node] = Stored.whole(block, shape_of(node))
        for node in nodes:
            if node.op == "call_function" and node not in changes:
                self.values[node] = self._kept(node, self._lowered(node))
        (results,) = nodes[-1].args
        self.outputs = [self.stored(self.value(result)) for result in results]
        self._change(changes)

    def _settle(self, node: Node) -> None:
        """Let the parts of a row be computed where they are to stand."""
        if node.target is not aten.cat.default or len(shape_of(node)) != 1:
            return
        block, offset = Block(dtype_of(node), size_of(node)), 0
        self.homes[node] = Stored.whole(block, shape_of(node))
        for part in node.args[0]:  # type: ignore[union-attr]
            first = _same_numbers(part)  # type: ignore[arg-type]
            made = first.op == "call_function" and first.target is not operator.getitem
            if made and first not in self.homes and dtype_of(first) == block.dtype:
                self.homes[first] = Stored.whole(block, shape_of(first), offset)
                self._needed.add(first)
            offset += size_of(part)  # type: ignore[arg-type]

    def _kept(self, node: Node, value: Any) -> Any:
        """The value of a node, in memory where that is better."""
        if not isinstance(value, Value) or isinstance(value, Stored) or node in self._late:
            return value
        reads = sum(_reads(node))
        often = isinstance(value, Computed) and reads > 1.5 and value.weight * reads > FEW
        kept = node in self._needed or value.weight > MOST or often
        return self.stored(value, node) if kept else value

    def _lowered(self, node: Node) -> Any:
        if node.target is operator.getitem:
            return self.value(node.args[0])[node.args[1]]
        if node.target in VIEWS:
            of = self.argument(node, 0)
            return view(node, self.stored(of) if merging(node) else of)
        packet = getattr(node.target, "overloadpacket", None)
        if packet not in OPERATIONS or (
            packet in FLOATING and not dtype_of(node).is_floating_point
        ):
            return self._called(node)
        return OPERATIONS[packet](self, node)

    def _called(self, node: Node) -> Any:
        """What torch does itself."""
        schema = getattr(node.target, "_schema", None)
        results = node.meta["val"]
        several = results if isinstance(results, tuple | list) else [results]
        made = [result for result in several if result is not None]
        known = all(isinstance(r, torch.Tensor) and r.dtype in TYPES for r in made)
        own = getattr(node.target, "namespace", None) == "aten"
        if schema is None or schema.is_mutable or not own or not known:
            raise UnloweredError(f"{node.target}: it cannot be a part of a program")
        outs = [self.home(None, tuple(result.shape), result.dtype) for result in made]
        given = [self._in_memory(argument) for argument in node.args]
        named = {n: self._in_memory(a) for n, a in node.kwargs.items() if n not in PLACED}
        self.work.append(Call(node.target, given, named, outs))
        waiting = iter(outs)
        found = [None if result is None else next(waiting) for result in several]
        return found[0] if several is not results else found

    def _in_memory(self, argument: Any) -> Any:
        if isinstance(argument, list | tuple):
            return [self._in_memory(part) for part in argument]
        return self.stored(self.value(argument)) if isinstance(argument, Node) else argument

    def _change(self, nodes: Sequence[Node]) -> None:
        """Write to inputs, when all is read that is to be read."""
        loops: dict[tuple[int, ...], Loops] = {}
        for node in nodes:
            (changed, *_), value = node.all_input_nodes, self.argument(node, 1)
            # All is computed of what was there before.
            whole = changed.op == "placeholder" and max(changed.users) == node
            if not whole or value.shape != shape_of(changed):
                raise UnloweredError(
                    f"{node.target}: expected a whole input to be changed, at the end"
                )
            out: Stored = self.values[changed]
            own = loops.setdefault(out.shape, Loops(out.shape))
            text = value.at(own.index, own)
            own.store(out.block, out.offset, out.place(own.index), text)
        self.work += loops.values()


def _leave_in_place(node: Node) -> None:
    """Let an operation that changes what nothing else sees make a new tensor instead."""
    packet = getattr(node.target, "overloadpacket", None)
    if packet is None or not node.args or not name_of(node).endswith("_"):
        return
    (changed, *_), other = node.args, getattr(aten, name_of(node)[:-1], None)
    assert isinstance(changed, Node)
    if not _looks(changed) and set(changed.users) == {node} and other is not None:
        node.target = getattr(other, node.target._overloadname)  # type: ignore[union-attr]


def _looks(node: Node) -> bool:
    """Whether a node has the memory of another one, or of an input."""
    schema = getattr(node.target, "_schema", None)
    return schema is None or any(result.alias_info is not None for result in schema.returns)


def _in_memory(nodes: Sequence[Node]) -> set[Node]:
    """What is read from memory whatever it costs."""
    needed = set()
    for node in nodes:
        packet = getattr(node.target, "overloadpacket", None)
        numbers = packet in OPERATIONS and packet not in PRODUCTS
        views = node.target in VIEWS or node.target in (operator.getitem, aten.copy_.default)
        if (numbers or views) and not merging(node):
            continue
        for part in node.all_input_nodes:
            needed.add(part)
            while part.target in VIEWS:
                (part,) = part.all_input_nodes
            needed.add(part)
    return needed


def _at_the_end(nodes: Sequence[Node]) -> set[Node]:
    """What only the changes of inputs need, number by number."""
    late = set[Node]()
    for node in reversed(nodes):
        if node.op != "call_function" or name_of(node) not in FORMULAS:
            continue
        ends = (
            (user in late or user.target is aten.copy_.default) and shape_of(user) == shape_of(node)
            for user in node.users
        )
        if node.users and all(ends):
            late.add(node)
    return late


def _reads(node: Node) -> Iterator[float]:
    """How often its numbers are computed, if each that needs them computes them."""
    own = max(1, size_of(node))
    for user in node.users:
        if user.target in VIEWS:
            yield from (size_of(user) / own * reads for reads in _reads(user))
        elif user.op == "output" or name_of(user) in PARTED or not _is_tensor(user):
            yield 1.0
        else:
            sizes = (size_of(part) for part in (user, *user.all_input_nodes) if _is_tensor(part))
            yield max(1.0, max(sizes) / own)


def _is_tensor(node: Node) -> bool:
    return isinstance(node.meta["val"], torch.Tensor)


def _same_numbers(node: Node) -> Node:
    """What a node is but a view of, or the view of a view, with all numbers in their order."""
    views, found = list[Node](), node
    while node.target in VIEWS:
        views.insert(0, node)
        (node,) = node.all_input_nodes
        seen = Stored.whole(Block(torch.float32, size_of(node)), shape_of(node))
        for one in views:
            if merging(one) and not seen.contiguous:
                break
            seen = view(one, seen)  # type: ignore[assignment]
        else:
            if seen.contiguous and size_of(found) == size_of(node):
                found = node
    return found
