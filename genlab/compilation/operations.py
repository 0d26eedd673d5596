"""Operations of a graph that are no views, and how loops do them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from genlab.compilation.formulas import C_TYPES, FORMULAS, literal
from genlab.compilation.loops import Loops
from genlab.compilation.places import ORIGIN, VIEWS, Index, Place, dot, strides_of
from genlab.compilation.plan import Plan
from genlab.compilation.values import (
    TYPES,
    Computed,
    Counted,
    Stored,
    UnloweredError,
    Value,
    constant,
    converted,
    dtype_of,
    name_of,
    seen,
    shape_of,
    size_of,
)
from genlab.compilation.work import Product

__all__ = ["FLOATING", "OPERATIONS", "PARTED", "PRODUCTS", "formula"]

aten = torch.ops.aten


def formula(plan: Plan, node: Node) -> Computed:
    """A formula of tensors and numbers, computed in the type that torch computes it in.

    Raises:
        UnloweredError: It is asked for in a way of its own, such as with a mode of rounding.
    """
    dtype, name = dtype_of(node), name_of(node)
    if unknown := node.kwargs.keys() - {"alpha", "memory_format"}:
        raise UnloweredError(f"{node.target} with {', '.join(unknown)}")
    found = [plan.value(argument) for argument in node.args]
    common = dtype
    if name == "bitwise_not" and dtype == torch.bool:
        name = "logical_not"
    elif dtype == torch.bool and name != "where" and not name.startswith("logical_"):
        common = _compared_in(node)
    parts = [converted(value, common) for value in found]
    if name == "where":
        parts[0] = converted(found[0], torch.bool)
    if (alpha := node.kwargs.get("alpha", 1)) != 1:
        factor = literal(alpha, common)  # type: ignore[arg-type]
        shape = found[1].shape if isinstance(found[1], Value) else ()
        parts[1] = Computed.by("mul", shape, common, parts[1], factor)
    return Computed.by(name, shape_of(node), dtype, *parts)


def _compared_in(node: Node) -> torch.dtype:
    """The type in which what is answered by true or false is looked at."""
    given: list[Any] = [a.meta["val"] if isinstance(a, Node) else a for a in node.args]
    common: torch.dtype = torch.result_type(*given) if len(given) == 2 else given[-1].dtype
    if common not in TYPES:
        raise UnloweredError(f"{node.target} is of {common}; expected one of {TYPES}")
    return common


def total(plan: Plan, node: Node, rule: str, start: str, *, scale: float = 1.0) -> Value:
    """A sum, or another total, over some axes."""
    of, dtype = plan.argument(node, 0), dtype_of(node)
    asked: Any = node.args[1] if len(node.args) > 1 else None
    axes = range(len(of.shape)) if asked in (None, []) or not of.shape else asked
    gone = sorted(axis % len(of.shape) for axis in ([axes] if isinstance(axes, int) else axes))
    kept = [axis for axis in range(len(of.shape)) if axis not in gone]
    out = plan.home(node if scale == 1 else None, shape_of(node), dtype)
    one = converted(of, dtype)
    assert isinstance(one, Value)

    def place(index: Index) -> Place:
        return dot(tuple(index[k] for k in kept), strides_of([of.shape[k] for k in kept]))

    long = [axis for axis, size in enumerate(of.shape) if size != 1]
    if rule == "+" and long and long[-1] not in gone:
        # Rows are added to a row.
        plan.fill(out, constant(out.shape, dtype, 0))
        loops = Loops(of.shape, order=[*gone, *kept])
        text = one.at(loops.index, loops)
        loops.store(out.block, out.offset, place(loops.index), text, onto=0)
    else:
        loops = Loops(of.shape, order=[*kept, *gone], inner=len(gone))
        text = one.at(loops.index, loops)
        loops.total(out.block, out.offset, place(loops.index), text, start, rule)
    plan.work.append(loops)
    if scale == 1:
        return out
    return Computed.by("mul", out.shape, dtype, out, literal(scale, dtype))


def mean(plan: Plan, node: Node) -> Value:
    size = math.prod(plan.argument(node, 0).shape)
    return total(plan, node, "+", "0", scale=size_of(node) / size if size else math.nan)


def extreme(plan: Plan, node: Node) -> Value:
    """The largest number, or the smallest; NaN if one is."""
    largest, dtype = name_of(node) == "amax", dtype_of(node)
    kind = f"std::numeric_limits<{C_TYPES[dtype]}>"
    if dtype.is_floating_point:
        start = f"{'-' if largest else ''}{kind}::infinity()"
    else:
        start = f"{kind}::{'lowest' if largest else 'max'}()"
    return total(plan, node, f"(b {'>' if largest else '<'} a) | (b != b) ? b : a", start)


def running(plan: Plan, node: Node) -> Value:
    """The sums up to each place along an axis."""
    of = plan.argument(node, 0)
    if not math.prod(of.shape) or not of.shape:
        return retyped(plan, node)
    out = plan.home(node, shape_of(node), dtype_of(node))
    asked: Any = node.args[1]
    axis: int = asked % len(of.shape)
    for first in (True, False):
        count = 1 if first else of.shape[axis] - 1
        shape = (*of.shape[:axis], count, *of.shape[axis + 1 :])
        loops = Loops(shape, order=[axis, *(k for k in range(len(shape)) if k != axis)])
        along = ORIGIN if first else loops.index[axis].moved(1)
        index = (*loops.index[:axis], along, *loops.index[axis + 1 :])
        text = of.at(index, loops)
        onto = None if first else out.strides[axis]
        loops.store(out.block, out.offset, out.place(index), text, onto=onto)
        plan.work.append(loops)
    return out


def joined(plan: Plan, node: Node) -> Stored:
    """Tensors one behind the other along an axis."""
    parts: Any = node.args[0]
    axis: Any = node.args[1] if len(node.args) > 1 else 0
    out = plan.home(node, shape_of(node), dtype_of(node))
    axis, first = axis % len(out.shape), 0
    for part in parts:
        value = plan.value(part)
        if math.prod(value.shape):
            _put(plan, out, value, axis, first)
            first += value.shape[axis]
    return out


def scattered(plan: Plan, node: Node) -> Stored:
    """A tensor with some of its rows, along an axis, replaced."""
    whole, part = plan.argument(node, 0), plan.argument(node, 1)
    rest: tuple[Any, ...] = node.args[2:]
    defaults: tuple[Any, ...] = (0, None, None, 1)
    axis, start, end, step = (*rest, *defaults[len(rest) :])
    axis %= len(whole.shape)
    out = plan.home(node, whole.shape, whole.dtype)
    if part.shape != whole.shape:
        plan.fill(out, whole)
    _put(plan, out, part, axis, slice(start, end).indices(whole.shape[axis])[0], step)
    return out


def _put(plan: Plan, out: Stored, value: Value, axis: int, first: int, step: int = 1) -> None:
    """Write rows along an axis, if they do not stand there already."""
    offset = out.offset + first * out.strides[axis]
    strides = tuple(step * s if k == axis else s for k, s in enumerate(out.strides))
    place = (out.block, offset, strides)
    if not (isinstance(value, Stored) and (value.block, value.offset, value.strides) == place):
        rows = converted(value, out.dtype)
        assert isinstance(rows, Value)
        plan.fill(Stored(value.shape, out.dtype, *place), rows)


def padded(plan: Plan, node: Node) -> Stored:
    """A tensor with a constant around it, or without its borders."""
    of, asked = plan.argument(node, 0), list[int](node.args[1])  # type: ignore[arg-type]
    number: Any = node.args[2] if len(node.args) > 2 else 0
    # From the last axis on, before and behind.
    pads = [(0, 0)] * (len(of.shape) - len(asked) // 2)
    pads += [*zip(asked[::2], asked[1::2], strict=True)][::-1]
    sizes = zip(of.shape, pads, strict=True)
    shape = tuple(size + min(0, before) + min(0, behind) for size, (before, behind) in sizes)
    cut = [max(0, -before) for before, _ in pads]
    kept = seen(of, shape, lambda index: tuple(map(Place.moved, index, cut)))
    out = plan.home(node, shape_of(node), of.dtype)
    plan.fill(out, constant(out.shape, of.dtype, number))
    gaps = zip(out.strides, pads, strict=True)
    offset = out.offset + sum(stride * max(0, before) for stride, (before, _) in gaps)
    plan.fill(Stored(shape, of.dtype, out.block, offset, out.strides), kept)
    return out


def split(plan: Plan, node: Node) -> list[Value]:
    """A tensor in pieces along an axis."""
    of = plan.argument(node, 0)
    axis: Any = node.args[2] if len(node.args) > 2 else 0
    axis %= len(of.shape)
    found, first = list[Value](), 0
    for part in node.meta["val"]:
        shape = tuple(part.shape)
        found.append(seen(of, shape, VIEWS[aten.slice.Tensor](of.shape, shape, axis, first)))
        first += shape[axis]
    return found


def product(plan: Plan, node: Node) -> Stored:
    """A product of matrices."""
    out = plan.home(node, shape_of(node), dtype_of(node))
    plan.work.append(Product(out, *(_factor(plan, node, k) for k in (0, 1))))
    return out


def affine(plan: Plan, node: Node) -> Computed:
    """``beta c + alpha a b``."""
    shape, dtype = shape_of(node), dtype_of(node)
    out = plan.home(None, shape, dtype)
    plan.work.append(Product(out, *(_factor(plan, node, k) for k in (1, 2))))
    terms = list[Value]()
    for value, name in ((plan.argument(node, 0), "beta"), (out, "alpha")):
        factor: Any = node.kwargs.get(name, 1)
        words = (value, literal(factor, dtype))
        terms.append(value if factor == 1 else Computed.by("mul", value.shape, dtype, *words))
    return Computed.by("add", shape, dtype, *terms)


def _factor(plan: Plan, node: Node, number: int) -> Stored:
    """A matrix, or several, in memory, of which the rows or the columns have no gaps."""
    value = plan.argument(node, number)
    if isinstance(value, Stored) and value.leading is not None:
        return value
    return plan.stored(value)


def clamped(plan: Plan, node: Node) -> Value:
    """Between two bounds, either of which may be missing."""
    given = dict(zip(("min", "max"), node.args[1:], strict=False)) | node.kwargs
    if name_of(node) == "clamp_max":
        given = {"max": node.args[1]}
    value: Value = plan.argument(node, 0)
    for bound, name in (("min", "maximum"), ("max", "minimum")):
        if given.get(bound) is not None:
            parts = (converted(part, dtype_of(node)) for part in (value, plan.value(given[bound])))
            value = Computed.by(name, shape_of(node), dtype_of(node), *parts)
    return value


def filled(plan: Plan, node: Node) -> Computed:
    """The same number everywhere."""
    place = {"zeros": None, "ones": None, "scalar_tensor": 0}.get(name_of(node), 1)
    number: Any = float(name_of(node) == "ones") if place is None else node.args[place]
    return constant(shape_of(node), dtype_of(node), number)


def counted(plan: Plan, node: Node) -> Counted:
    arguments: Any = node.args
    start, step = (0, 1) if len(arguments) == 1 else (arguments[0], (*arguments[2:], 1)[0])
    return Counted(shape_of(node), dtype_of(node), start, step)


def retyped(plan: Plan, node: Node) -> Computed:
    value = converted(plan.argument(node, 0), dtype_of(node))
    return Computed.by("clone", shape_of(node), dtype_of(node), value)


PRODUCTS = (aten.mm, aten.bmm, aten.addmm)
PARTED = ("cat", "constant_pad_nd", "slice_scatter", "split", "split_with_sizes")
"""Names of what takes each number of its tensors once."""

FLOATING = (*PRODUCTS, aten.ceil, aten.floor, aten.pow, aten.remainder, aten.trunc)
"""What is done here with floating numbers, and with whole ones by torch."""

OPERATIONS: dict[Any, Callable[[Plan, Node], Any]] = {
    **dict.fromkeys((aten.mm, aten.bmm), product),
    **dict.fromkeys((aten.amax, aten.amin), extreme),
    **dict.fromkeys((aten.split, aten.split_with_sizes), split),
    **dict.fromkeys((aten.clamp, aten.clamp_min, aten.clamp_max), clamped),
    **dict.fromkeys((aten.full, aten.full_like, aten.zeros, aten.ones, aten.scalar_tensor), filled),
    **dict.fromkeys((aten._to_copy, torch.ops.prims.convert_element_type), retyped),
    aten.addmm: affine,
    aten.sum: lambda plan, node: total(plan, node, "+", "0"),
    aten.mean: mean,
    aten.any: lambda plan, node: total(plan, node, "a | b", "false"),
    aten.all: lambda plan, node: total(plan, node, "a & b", "true"),
    aten.cumsum: running,
    aten.cat: joined,
    aten.slice_scatter: scattered,
    aten.constant_pad_nd: padded,
    aten.arange: counted,
}
"""By torch's operation, what makes a value, or values, of a node."""
OPERATIONS |= {getattr(aten, name): formula for name in FORMULAS if hasattr(aten, name)}
