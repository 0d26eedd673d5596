"""Limits of ``torch.autocast``: it may round networks, and nothing around them.

A coupling may take any function for its conditioner: a rounded one makes another flow, which is
still normalised exactly. A sum, a determinant or a base density that is rounded is an error: half a
nat in 64 dimensions, in bfloat16.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

__all__ = ["full_precision", "output_of", "unrounded"]

P = ParamSpec("P")
R = TypeVar("R")

ACCELERATOR = torch.accelerator.current_accelerator()
KINDS = ("cpu",) if ACCELERATOR is None else ("cpu", ACCELERATOR.type)


class _Asked(threading.local):
    """The demands of autocast around the present function, by the kind of device."""

    def __init__(self) -> None:
        self.types: dict[str, torch.dtype] = {}


_asked = _Asked()


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function compute in the type of its tensors, whatever autocast around it asks for.

    The networks that it calls by `output_of` follow the autocast still.
    """

    @wraps(function)
    def precise(*args: P.args, **kwargs: P.kwargs) -> R:
        for kind in KINDS:
            if torch.is_autocast_enabled(kind):
                before = _asked.types
                _asked.types = {**before, kind: torch.get_autocast_dtype(kind)}
                try:
                    with torch.autocast(kind, enabled=False):
                        return precise(*args, **kwargs)
                finally:
                    _asked.types = before
        return function(*args, **kwargs)

    return precise


def output_of(network: Callable[..., Tensor], x: Tensor, *rest: Any) -> Tensor:
    """``network(x, ...)``, in the type of x, computed in the one that autocast asks for."""
    asked = _asked.types.get(x.device.type)
    if asked is None:
        return network(x, *rest)
    # Rounded weights must not be kept: in a longer autocast they would outlive an optimiser's step.
    with torch.autocast(x.device.type, dtype=asked, cache_enabled=False):
        return network(x, *rest).to(x.dtype)


@contextmanager
def unrounded() -> Iterator[None]:
    """Let networks too compute in the type of their weights: where a model is evaluated."""
    before, enabled = _asked.types, [kind for kind in KINDS if torch.is_autocast_enabled(kind)]
    _asked.types = {}
    for kind in enabled:
        torch.set_autocast_enabled(kind, False)
    try:
        yield
    finally:
        _asked.types = before
        for kind in enabled:
            torch.set_autocast_enabled(kind, True)
