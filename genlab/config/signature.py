"""What a ``_target_`` takes: its parameters, with their annotations resolved."""

from __future__ import annotations

import inspect
import pkgutil
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

from genlab.errors import UserError, nearest

__all__ = ["Parameter", "Signature", "locate", "passed_on", "signature"]


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


def locate(key: str, path: str) -> Any:
    """Import what ``key._target_=path`` names.

    Raises:
        UserError: There is no such module or name, or the module fails to import.
    """
    where = f"{key}._target_={path}"
    first, *rest = path.split(".")
    found: Any = _import(first, where)
    if found is None:
        raise UserError(f"{where}: no module {first!r}; is its folder in PYTHONPATH?")
    reached = first
    for name in rest:
        inner = getattr(found, name, None)
        if inner is None and isinstance(found, ModuleType):
            inner = _import(f"{reached}.{name}", where)
        if inner is None:
            raise UserError(f"{where}: no {name!r} in {reached}; {nearest(name, _public(found))}")
        found, reached = inner, f"{reached}.{name}"
    if not callable(found):
        raise UserError(f"{where}: expected a class or a function")
    return found


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


def passed_on(node: Mapping[str, Any]) -> frozenset[str]:
    """The keys of a node whose value a nested ``_target_`` node holds under the same name.

    In ``configs/`` they are written as interpolations; in the configuration that a run keeps these
    are resolved, so the names and the values have to tell.

    >>> sorted(passed_on({"_target_": "a.Data", "dim": 2, "target": {"_target_": "a.B", "dim": 2}}))
    ['dim']
    """
    nested = [value for value in node.values() if isinstance(value, Mapping)]
    objects = [inner for inner in nested if "_target_" in inner]
    return frozenset(
        name
        for name, value in node.items()
        if not name.startswith("_")
        and any(name in inner and inner[name] == value for inner in objects)
    )


def _public(owner: Any) -> list[str]:
    """Names in a module or a class, modules of a package included."""
    modules = [module.name for module in pkgutil.iter_modules(getattr(owner, "__path__", ()))]
    return [name for name in (*dir(owner), *modules) if not name.startswith("_")]


def _import(name: str, where: str) -> ModuleType | None:
    """The module, or None where there is none of that name."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise UserError(f"{where}: cannot be imported: {error}") from error
    except Exception as error:  # whatever a user's own file raises
        first_line = str(error).partition("\n")[0]
        raise UserError(
            f"{where}: cannot be imported: {type(error).__name__}: {first_line}"
        ) from error


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
