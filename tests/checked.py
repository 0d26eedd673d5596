"""Annotations checked while the tests run: each argument and each answer, once a call.

jaxtyping's own decorator binds the arguments by name, checks them, and checks them again beside the
answer, to say more in its message. In a small model that is most of the time. What is left of it is
the question whether a tensor fits, which is answered here as there, by fewer steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from types import FunctionType, SimpleNamespace
from typing import Any, NamedTuple, TypeVar, get_type_hints

import torch
from jaxtyping import _array_types as arrays
from jaxtyping._decorator import jaxtyped  # its own, which the tests replace in the package
from jaxtyping._storage import get_shape_memo

__all__ = ["answer_by_few_steps", "checked"]

Target = TypeVar("Target", bound=Callable[..., Any])
# Within it, an axis of a name has one size.
AXES = jaxtyped("context")
# jaxtyping's own answer to `isinstance`.
fits = arrays._MetaAbstractArray.__instancecheck__


def checked(*, typechecker: Callable[[Any], Any]) -> Callable[[Target], Target]:
    """What `jaxtyping.jaxtyped` does to functions, and to the constructors of dataclasses."""

    def decorate(target: Any) -> Any:
        if not isinstance(target, type):
            return once(target, typechecker)
        if is_dataclass(target) and not hasattr(target.__init__, "__wrapped__"):
            target.__init__ = once(target.__init__, typechecker)
        return target

    return decorate


def once(function: FunctionType, typechecker: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function whose annotations, resolved beforehand, a call checks without binding twice."""
    code, names = function.__code__, function.__globals__
    own = FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    own.__kwdefaults__ = function.__kwdefaults__
    own.__module__, own.__qualname__ = function.__module__, function.__qualname__
    annotations = function.__annotations__.items()
    own.__annotations__ = {name: resolved(value, names) for name, value in annotations}
    called = typechecker(own)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with AXES:
            return called(*args, **kwargs)

    return call


def resolved(annotation: Any, names: dict[str, Any]) -> Any:
    """What an annotation means; anything, where a name in it is known to type checkers alone."""
    try:
        return get_type_hints(
            SimpleNamespace(__annotations__={"it": annotation}), names, include_extras=True
        )["it"]
    except NameError:
        return Any


class Axes(NamedTuple):
    """What a hint asks of a tensor: sizes and names by their places, and types of numbers.

    Places behind axes of any number are counted from the end; ``many`` is these axes' name, empty
    where they have none, and None where there are no such axes. Types that fit are found out.
    """

    rank: int
    fixed: tuple[tuple[int, int], ...]
    names: tuple[tuple[int, str], ...]
    many: str | None
    behind: int
    types: set[torch.dtype]


HINTS: dict[Any, Axes | None] = {}


def axes_of(hint: Any) -> Axes | None:
    """The axes of a hint, or None where jaxtyping's own answer alone will do."""
    i, places = hint.index_variadic, range(len(hint.dims))
    if i is not None:
        places = (*range(i), *range(i + 1 - len(hint.dims), 0))
    axes = [(place, hint.dims[place]) for place in places]
    fixed = tuple((place, axis.size) for place, axis in axes if is_plain(axis, arrays._FixedDim))
    names = tuple((place, axis.name) for place, axis in axes if is_plain(axis, arrays._NamedDim))
    loose = sum(axis is arrays._anonymous_dim for _, axis in axes)
    many = None if i is None else hint.dims[i]
    known = many in (None, arrays._anonymous_variadic_dim) or is_plain(
        many, arrays._NamedVariadicDim
    )
    once_each = len({name for _, name in names}) == len(names)
    if hint.array_type is not torch.Tensor or not (known and once_each):
        return None
    if len(fixed) + len(names) + loose < len(axes):
        return None
    name = None if many is None else getattr(many, "name", "")
    return Axes(len(axes), fixed, names, name, len(axes) - (i or 0), set())


def is_plain(axis: Any, kind: type) -> bool:
    """Whether an axis is of a kind, and asks for nothing else."""
    special = getattr(axis, "broadcastable", False) or getattr(axis, "treepath", False)
    return isinstance(axis, kind) and not special


def fits_by_few_steps(hint: Any, value: Any) -> bool:
    """What `fits` answers, and notes of the axes; what does not fit, it says itself."""
    if hint not in HINTS:
        HINTS[hint] = axes_of(hint)
    axes = HINTS[hint]
    if axes is None or not isinstance(value, torch.Tensor):
        return fits(hint, value)
    if value.dtype not in axes.types:
        if found := fits(hint, value):
            axes.types.add(value.dtype)
        return found
    shape, (single, several, *_) = value.shape, get_shape_memo()
    if len(shape) < axes.rank or (len(shape) > axes.rank and axes.many is None):
        return False
    for place, size in axes.fixed:
        if shape[place] != size:
            return False
    sizes = [(name, shape[place]) for place, name in axes.names]
    for name, size in sizes:
        if single.get(name, size) != size:
            return False
    if axes.many:
        part = shape[axes.rank - axes.behind : len(shape) - axes.behind]
        if several.setdefault(axes.many, (False, part)) != (False, part):
            return fits(hint, value)
    single.update(sizes)
    return True


def answer_by_few_steps() -> None:
    """Let `isinstance` of jaxtyping's hints be answered here."""
    arrays._MetaAbstractArray.__instancecheck__ = fits_by_few_steps
