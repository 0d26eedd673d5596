"""What a ``_target_`` names, and what that takes."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from genlab.config.source import Source, UnreadableError, find
from genlab.errors import UserError, nearest
from genlab.signature import Signature, signature

__all__ = ["Target", "described", "locate", "passed_on"]


@dataclass(frozen=True)
class Target:
    """What a ``_target_`` names, as far as a check has to know it.

    Attributes:
        name: What it is called.
        is_class: Whether it is a class, not a function.
        signature: What it takes.
        attribute: The value of an attribute of the class by its name, None where it has none.
    """

    name: str
    is_class: bool
    signature: Signature
    attribute: Callable[[str], Any]


def described(key: str, path: str) -> Target:
    """What ``key._target_=path`` names: read from the source, where that tells, or else imported.

    >>> described("model", "genlab.models.RealNVP").name
    'RealNVP'

    Raises:
        UserError: There is no such module or name, or the module fails to import.
    """
    try:
        source = find(path)
        read = _reader(source, key, path)
        return Target(source.name, source.is_class, source.signature, read)
    except UnreadableError:
        made = locate(key, path)
        name, is_class = getattr(made, "__name__", repr(made)), isinstance(made, type)
        return Target(name, is_class, signature(made), lambda word: getattr(made, word, None))


def _reader(source: Source, key: str, path: str) -> Callable[[str], Any]:
    def attribute(name: str) -> Any:
        try:
            return source.attribute(name)
        except UnreadableError:
            return getattr(locate(key, path), name, None)

    return attribute


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
        if not str(name).startswith("_")
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
