"""Annotations checked while the tests run: each argument and each answer, once a call.

jaxtyping's own decorator binds the arguments by name, checks them, and checks them again beside the
answer, to say more in its message. In a small model that is most of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from types import FunctionType, SimpleNamespace
from typing import Any, TypeVar, get_type_hints

from jaxtyping._decorator import jaxtyped  # its own, which the tests replace in the package

__all__ = ["checked"]

Target = TypeVar("Target", bound=Callable[..., Any])
# Within it, an axis of a name has one size.
AXES = jaxtyped("context")


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
