"""The constants of a program folded: no work is left that its inputs have no part in."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.fx.node import map_arg

__all__ = ["fold_constants"]

aten = torch.ops.aten
CHECK = aten._assert_tensor_metadata.default
CASTS = (aten.to.dtype, aten.to.dtype_layout, aten.to.device, aten._to_copy.default)
SHAPES = (aten.flatten.using_ints, aten.view.default, aten.reshape.default, aten.expand.default)
PRODUCTS = (aten.linear.default, aten.addmm.default)
# Activations that may be written over a product.
IN_PLACE: dict[Any, OpOverload] = {
    aten.relu.default: aten.relu_.default,
    aten.tanh.default: aten.tanh_.default,
}

# Numbers up to which a constant may be more than what it is made of.
LARGEST = 2**20


def fold_constants(program: ExportedProgram) -> fx.GraphModule:
    """The module of a program, with all that does not depend on its inputs worked out.

    What is learned is constant in a program: so are the exponentials of its scales, the knots of a
    spline that has no condition, and what a network makes of the time of an ODE's step. What is
    made of constants alone is folded into a constant; casts and views to the type and the shape
    that a tensor has, and checks of what follows from the inputs, are left out. An activation is
    written over the product that nothing else asks for. Equal constants are one, as those that each
    step of an ODE makes anew. Constants have short names: a program asks its module for each of
    them, dot by dot.

    >>> class Scaled(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.log_scale = nn.Parameter(torch.zeros(2))
    ...     def forward(self, x):
    ...         return x * self.log_scale.exp()
    >>> program = torch.export.export(Scaled(), (torch.ones(3, 2),))
    >>> [str(node) for node in fold_constants(program).graph.nodes]
    ['x', 'c0', 'mul', 'output']

    Args:
        program: The program, of one output.
    """
    if any(_mutates(node) for node in program.graph.nodes):
        program = program.run_decompositions({})
    root, graph = nn.Module(), fx.Graph()
    known = _constants(program)
    moved: dict[fx.Node, fx.Node] = {}
    held: dict[Hashable, fx.Node] = {}

    def argument(node: fx.Node) -> Any:
        if node not in moved and isinstance(value := known[node], Tensor):
            contents = _contents(value)
            if contents not in held:
                name = f"c{len(held)}"
                root.register_buffer(name, value.detach().clone())
                held[contents] = graph.get_attr(name)
            moved[node] = held[contents]
        return moved[node] if node in moved else known[node]

    for node in program.graph.nodes:
        if node in known:
            continue
        if node.op == "output":
            ((result,),) = node.args
            graph.output(argument(result))
        elif node.op == "call_function" and _is_constant(node, known):
            value = _value(node, known)
            if _size(value) <= max(LARGEST, sum(_size(known[n]) for n in node.all_input_nodes)):
                known[node] = value
            else:
                moved[node] = graph.node_copy(node, argument)
        elif _is_idle(node):
            if node.target != CHECK:
                moved[node] = moved[node.all_input_nodes[0]]
        else:
            if node.op == "get_attr":  # a part of the graph, for an operator that takes one
                part = program.graph_module.get_submodule(str(node.target))
                root.register_module(str(node.target), part)
            moved[node] = graph.node_copy(node, argument)
            if node.target in IN_PLACE and _is_last(node.all_input_nodes[0]):
                moved[node].target = IN_PLACE[node.target]
    graph.eliminate_dead_code()
    return fx.GraphModule(root, graph)


def _constants(program: ExportedProgram) -> dict[fx.Node, Any]:
    """The tensors that a program brings with it, by the nodes that stand for them."""
    signature = program.graph_signature
    names = chain(
        signature.inputs_to_parameters.items(),
        signature.inputs_to_buffers.items(),
        signature.inputs_to_lifted_tensor_constants.items(),
    )
    held = {**program.constants, **program.state_dict}
    by_node = {name: held[full] for name, full in names}
    return {node: by_node[node.name] for node in program.graph.nodes if node.name in by_node}


def _is_constant(node: fx.Node, known: Mapping[fx.Node, Any]) -> bool:
    """Whether a node always gives the same, since all that it takes does."""
    operation = isinstance(node.target, OpOverload) or node.target is operator.getitem
    random = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return operation and not random and all(one in known for one in node.all_input_nodes)


def _value(node: fx.Node, known: Mapping[fx.Node, Any]) -> Any:
    args, kwargs = map_arg((node.args, node.kwargs), known.__getitem__)
    with torch.no_grad():
        return node.target(*args, **kwargs)  # type: ignore[operator]


def _contents(value: Tensor) -> Hashable:
    """What tells a constant from others: layouts too, by which products are rounded."""
    flat = value.detach().resolve_conj().contiguous().reshape(-1)
    numbers = flat.view(torch.uint8).numpy()
    return value.dtype, value.shape, value.stride(), numbers.tobytes()


def _size(value: Any) -> int:
    return value.numel() if isinstance(value, Tensor) else 0


def _is_idle(node: fx.Node) -> bool:
    """Whether a node changes nothing, or checks what is known."""
    if node.target == CHECK:
        return node.all_input_nodes[0].op != "placeholder"
    if node.target not in (*CASTS, *SHAPES):
        return False
    before, after = node.all_input_nodes[0].meta["val"], node.meta["val"]
    # To compare symbols of shapes as numbers would be to decide on them.
    return (before.dtype, before.device, str(before.shape)) == (
        after.dtype,
        after.device,
        str(after.shape),
    )


def _is_last(product: fx.Node) -> bool:
    """Whether a node is a product with a single use."""
    return product.target in PRODUCTS and len(product.users) == 1


def _mutates(node: fx.Node) -> bool:
    return isinstance(node.target, OpOverload) and node.target._schema.is_mutable
