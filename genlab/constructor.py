"""Constructors that refuse what their annotations do not allow, from Python as from a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

from genlab.annotations import expectation, fits, in_message
from genlab.errors import ArgumentError
from genlab.signature import Signature, signature

__all__ = ["Checked"]

ATOMS = (bool, int, float, str, type(None))


class _Gate:
    """Checks what is handed to a constructor before that runs."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        kind: Any = cls
        takes = _signature(kind)
        for name, value in (*zip(takes.positional, args, strict=False), *kwargs.items()):
            if name in takes.parameters:
                _check(name, value, takes.parameters[name].annotation)
        return super().__new__(cls)


class Checked(_Gate):
    """A class whose arguments are checked before its constructor runs.

    >>> import genlab
    >>> genlab.models.NSF(2, bins=0)
    Traceback (most recent call last):
    genlab.errors.ArgumentError: bins=0: expected an integer, at least 1

    Raises:
        ArgumentError: A plain value does not fit its annotation, or is out of its bounds.
    """

    def __init__(self) -> None:
        # Before the gate, so that a class without a constructor takes nothing.
        super().__init__()


@cache
def _signature(cls: type) -> Signature:
    return signature(cls)


def _check(name: str, value: object, annotation: Any) -> None:
    try:
        plain = _plain(value)
    except TypeError:  # an object, of which a configuration could not say more
        return
    if fits(plain, annotation) is False:
        raise ArgumentError(
            f"{name}={in_message(plain)}: expected {expectation(plain, annotation)}"
        )


def _plain(value: object) -> object:
    """A value as a configuration would hold it.

    Raises:
        TypeError: None would.
    """
    if type(value) in ATOMS:
        return value
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | Set):
        return [_plain(item) for item in value]
    raise TypeError(type(value).__name__)
