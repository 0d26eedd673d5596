"""Where things are imported from, and imports without what they only bring along."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["import_part", "module_of", "uncollected", "without_signal"]

SIGNAL = "scipy.signal"


def import_part(name: str) -> Any:
    """Import a part of a package without the package's own ``__init__``, which imports all parts.

    Whoever imports the package later gets the whole of it, with this very part. Of POT, ``ot.lp``
    alone costs a fifth of the whole, which imports scikit-learn and networkx.

    >>> part = import_part("json.decoder")
    >>> import json
    >>> json.decoder is part
    True

    Args:
        name: Full name of the part, which needs nothing that the ``__init__`` does.

    Raises:
        ModuleNotFoundError: There is no such package, or no such part.
    """
    package, _, _ = name.partition(".")
    spec = None if package in sys.modules else find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return import_module(name)
    stand_in = ModuleType(package)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[package] = stand_in
    try:
        return import_module(name)
    finally:
        del sys.modules[package]


def module_of(value: object) -> str:
    """The name of the module that a value is, or that it or its class comes from; or nothing.

    >>> import json
    >>> module_of(json), module_of(json.JSONDecoder()), module_of(1)
    ('json', 'json.decoder', '')
    """
    if isinstance(value, ModuleType):
        return value.__name__
    module = getattr(value, "__module__", None)
    return module if isinstance(module, str) else ""


@contextmanager
def without_signal() -> Iterator[None]:
    """Import Lightning inside without ``scipy.signal``, a sixth of its time.

    Lightning imports torchmetrics, which imports ``scipy.signal`` to give it back the ``hamming``
    that it had before scipy 1.1. What stands in for it has one already, and becomes the module
    itself as soon as anything else is asked of it.
    """
    if SIGNAL in sys.modules or "torchmetrics" in sys.modules:
        yield
        return
    stand_in = _SignalLater(SIGNAL)
    sys.modules[SIGNAL] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(SIGNAL) is stand_in:
            del sys.modules[SIGNAL]


@contextmanager
def uncollected() -> Iterator[None]:
    """Import torch inside without looking for garbage, which modules are none of.

    What is there at the end is never looked at again: that saves time later too, and so it is for
    programs of genlab's own, whose every object may stay. Where torch is there already, nothing
    is saved, and nothing done.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _SignalLater(ModuleType):
    """``scipy.signal``, which is imported when it is used."""

    hamming = None

    def __getattr__(self, name: str) -> Any:
        # `inspect` asks all modules for their `__file__`, and uses none.
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(SIGNAL) is self:
            del sys.modules[SIGNAL]
        return getattr(import_module(SIGNAL), name)
