"""What a callable takes: its parameters, with their annotations resolved."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

__all__ = ["Parameter", "Signature", "signature"]


@dataclass(frozen=True)
class Parameter:
    """One parameter: its annotation, `Any` where unknown, and whether it has no default."""

    annotation: Any
    required: bool


@dataclass(frozen=True)
class Signature:
    """The parameters of a callable by name; an ``open`` one takes any further keyword."""

    parameters: Mapping[str, Parameter]
    positional: tuple[str, ...]
    open: bool


def signature(target: Any) -> Signature:
    """The parameters that a class, a function or a dataclass can be called with."""
    try:
        found = inspect.signature(target).parameters
    except ValueError:  # a builtin that does not tell
        return Signature({}, (), open=True)
    annotations = _annotations(target)
    named = {
        name: Parameter(annotations.get(name, Any), parameter.default is inspect.Parameter.empty)
        for name, parameter in found.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    positional = tuple(name for name in named if found[name].kind is not keyword_only)
    rest = [name for name, parameter in found.items() if parameter.kind is parameter.VAR_KEYWORD]
    told = _unpacked(annotations.get(rest[0])) if rest else {}
    return Signature({**named, **told}, positional, open=bool(rest) and not told)


def _unpacked(annotation: Any) -> dict[str, Parameter]:
    """The parameters that ``**options: Unpack[SomeTypedDict]`` names; none of another kind."""
    if typing.get_origin(annotation) is not typing.Unpack:
        return {}
    (kind,) = typing.get_args(annotation)
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: Parameter(hint, name in kind.__required_keys__) for name, hint in hints.items()}


def _annotations(target: Any) -> dict[str, Any]:
    """The resolved annotations of a callable's parameters, without those that do not resolve."""
    resolved: dict[str, Any] = {}
    for owner in _owners(target):
        scope = {**vars(sys.modules[owner.__module__])}
        for name, annotation in owner.__annotations__.items():
            try:
                shim = SimpleNamespace(__annotations__={name: annotation})
                resolved |= typing.get_type_hints(shim, scope, include_extras=True)
            except (NameError, AttributeError, TypeError):  # known to type checkers only
                resolved.pop(name, None)
    return resolved


def _owners(target: Any) -> list[Any]:
    """What carries the annotations: a dataclass and its bases, a constructor, or the function."""
    if not inspect.isclass(target):
        return [inspect.unwrap(target)]
    if hasattr(target, "__dataclass_fields__"):
        return [base for base in reversed(target.__mro__) if "__annotations__" in vars(base)]
    constructor = target.__init__ if target.__init__ is not object.__init__ else target.__new__
    return [inspect.unwrap(constructor)] if hasattr(constructor, "__annotations__") else []
