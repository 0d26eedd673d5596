"""What a function does with tensors, written down operation by operation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.fx import Graph, Node
from torch.utils._python_dispatch import TorchDispatchMode

from genlab.compilation.decompositions import decomposition

__all__ = ["UntraceableError", "trace"]


# Questions that shapes answer, which derivatives forward ask.
OF_SHAPES = (torch.ops.aten.is_same_size.default, torch.ops.aten._has_same_storage_numel.default)


class UntraceableError(Exception):
    """What a function does depends on numbers, or on tensors that are none of its inputs."""


def trace(function: Callable[..., Sequence[Tensor]], *inputs: Tensor) -> Graph:
    """A function as a graph of torch's basic operations, each below autograd.

    Torch's own tracer, `make_fx`, does the same, and imports torch's compiler, which takes longer
    than all the rest. Here the function is run once; what it is given shows shapes and types, and
    has no numbers that it could look at. A node's ``meta["val"]`` shows those of its result.

    >>> graph = trace(lambda x: [x.exp() + 1], torch.zeros(3))
    >>> [str(node.target) for node in graph.nodes]
    ['input_1', 'aten.exp.default', 'aten.add.Tensor', 'output']

    Args:
        function: The function; it may change its inputs.
        *inputs: Tensors that it takes, which stay as they are.

    Raises:
        UntraceableError: It looks at numbers, or needs a tensor that is none of its inputs.
    """
    graph = Graph()
    given = []
    for number, one in enumerate(inputs, 1):
        given.append(_proxy(graph.placeholder(f"input_{number}"), one.detach().clone()))
    with torch.random.fork_rng([]), _Recorder(graph):
        results = function(*given)
    graph.output([_node_of(result) for result in results])
    return graph


class _Proxy(Tensor):
    """What stands for a tensor while it is traced: its shape and type.

    Attributes:
        numbers: The tensor itself, as long as the function may use it.
        node: What makes it.
    """

    numbers: Tensor
    node: Node

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    # What is assigned to it passes by every operation.
    data = property(Tensor.detach, lambda *_: _refuse_data())

    def __new__(cls, like: Tensor) -> Self:
        """A proxy of the shape, strides and type of a tensor."""
        return Tensor._make_wrapper_subclass(
            cls, like.shape, strides=like.stride(), dtype=like.dtype, device=like.device
        )

    @classmethod
    def __torch_dispatch__(cls, operation: Any, *_: Any) -> Any:
        raise UntraceableError(f"{operation}: it is called outside of the trace")


class _Recorder(TorchDispatchMode):
    """Writes down each operation, or the simpler ones that it is made of."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = graph

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to tell torch's compiler so would import it

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Sequence[type],
        arguments: tuple[Any, ...] = (),
        keywords: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(keywords or {})
        formula = decomposition(operation)
        with self:
            result = formula(*arguments, **named)
        if result is not NotImplemented:
            return result
        words = _each(_node_of, [arguments, named])
        args, kwargs = _each(lambda tensor: tensor.numbers, [arguments, named])
        if operation in OF_SHAPES:
            return operation(*args, **kwargs)
        if _is_open(operation, arguments):
            raise UntraceableError(f"{operation}: its shape depends on numbers")
        node = self.graph.call_function(operation, tuple(words[0]), words[1])
        result = operation(*args, **kwargs)
        if not operation._schema.is_mutable:
            return self._result(node, result)
        changed = arguments[0]
        if result is not args[0] or _layout(result) != _layout(changed):
            raise UntraceableError(f"{operation}: it changes more than the numbers of a tensor")
        # Changed in place: from now on it is what this node has made of it.
        changed.node, node.meta["val"] = node, _Proxy(result)
        return changed

    def _result(self, node: Node, result: Any) -> Any:
        if isinstance(result, Tensor):
            return _proxy(node, result)
        if not isinstance(result, list | tuple):
            raise UntraceableError(f"{node.target}: it looks at numbers")
        call = self.graph.call_function
        parts = [
            None if part is None else self._result(call(operator.getitem, (node, number)), part)
            for number, part in enumerate(result)
        ]
        node.meta["val"] = [None if part is None else part.node.meta["val"] for part in parts]
        return parts


def _proxy(node: Node, numbers: Tensor) -> _Proxy:
    """What stands for the result of a node, in the function and in the graph."""
    made = _Proxy(numbers)
    made.numbers, made.node = numbers, node
    # The graph's has no numbers: these go when the function does not need them any more.
    node.meta["val"] = _Proxy(numbers)
    return made


def _node_of(tensor: Tensor) -> Node:
    if not isinstance(tensor, _Proxy):
        raise UntraceableError(f"a tensor {list(tensor.shape)} is no weight, buffer or batch")
    return tensor.node


def _refuse_data() -> None:
    raise UntraceableError("data: a tensor is given the numbers of another one")


def _layout(tensor: Tensor) -> tuple[tuple[int, ...], ...]:
    return tensor.shape, tensor.stride()


def _is_open(operation: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether the shape of a result depends on numbers."""
    if operation is torch.ops.aten.index.Tensor:
        masks = (torch.bool, torch.uint8)
        return any(index is not None and index.dtype in masks for index in arguments[1])
    return torch.Tag.dynamic_output_shape in operation.tags


def _each(function: Callable[[Any], Any], value: Any) -> Any:
    """A nest of lists with a function of each tensor in its place."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {name: _each(function, part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_each(function, part) for part in value]
    return value
