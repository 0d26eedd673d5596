"""The random numbers of a step, drawn beside its code and handed in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.fx import Graph, Node

__all__ = ["Draw", "UndrawableError", "take_out"]

aten = torch.ops.aten

# What is drawn by each, and, of what is filled in place, the operation that made it.
FRESH: dict[Any, str] = {
    aten.randn.default: "randn",
    aten.randn.generator: "randn",
    aten.randn_like.default: "randn",
    aten.rand.default: "rand",
    aten.rand.generator: "rand",
    aten.rand_like.default: "rand",
    aten.randperm.default: "randperm",
    aten.randperm.generator: "randperm",
}
FILLED: dict[Any, str] = {aten.normal_.default: "randn", aten.uniform_.default: "rand"}


class UndrawableError(Exception):
    """A step draws what cannot be drawn beside it."""


class Draw(NamedTuple):
    """Random numbers that each step takes anew.

    >>> Draw("randn", (2, 3), torch.float32)().shape
    torch.Size([2, 3])

    Attributes:
        name: Torch's function that draws them, from its global generator: ``randn``, ``rand`` or
            ``randperm``.
        shape: Their shape; of a permutation its length.
        dtype: Their type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    def __call__(self) -> Tensor:
        """Draw them."""
        size = self.shape[0] if self.name == "randperm" else self.shape
        drawn: Tensor = getattr(torch, self.name)(size, dtype=self.dtype)
        return drawn

    def words(self) -> list[Any]:
        """What a JSON file holds of it."""
        return [self.name, list(self.shape), str(self.dtype).removeprefix("torch.")]

    @classmethod
    def of(cls, words: list[Any]) -> Self:
        """From the words of a JSON file."""
        name, shape, dtype = words
        return cls(name, tuple(shape), getattr(torch, dtype))


def take_out(graph: Graph) -> list[Draw]:
    """Make what a graph draws further inputs of it, and return it in the order of the draws.

    Drawn by torch's own functions before each call, they are the numbers that a step by torch's
    operations would have drawn: the generator goes on alike.

    Args:
        graph: A graph of torch's basic operations, changed in place.

    Raises:
        UndrawableError: It draws by other functions than `Draw` knows.
    """
    nodes = list(graph.nodes)
    last = [node for node in nodes if node.op == "placeholder"][-1]
    draws = []
    for node in filter(_is_random, nodes):
        draws.append(_draw(node))
        with graph.inserting_after(last):
            last = graph.placeholder(f"draw_{len(draws)}")
        last.meta = dict(node.meta)
        node.replace_all_uses_with(last)
        for done in (node, *_emptied(node)):
            graph.erase_node(done)
    return draws


def _is_random(node: Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _draw(node: Node) -> Draw:
    value = node.meta["val"]
    name = FRESH.get(node.target)
    if node.target in FILLED and len(node.args) == 1 and list(_emptied(node)):
        name = FILLED[node.target]
    # Torch fills memory in its own order.
    if name is None or not value.is_contiguous() or node.kwargs.get("generator") is not None:
        raise UndrawableError(
            f"it draws by {node.target}; expected torch's randn, rand or randperm"
        )
    return Draw(name, tuple(value.shape), value.dtype)


def _emptied(node: Node) -> Iterator[Node]:
    """What a draw fills, where it is new and of no other use."""
    if node.target in FILLED:
        memory = node.args[0]
        assert isinstance(memory, Node)
        if "empty" in str(memory.target) and set(memory.users) <= {node}:
            yield memory
