"""Functions that a compiler leaves alone, without the import of one."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

__all__ = ["uncompiled"]

P = ParamSpec("P")
R = TypeVar("R")

disabled = functools.cache(torch.compiler.disable)


def uncompiled(function: Callable[P, R]) -> Callable[P, R]:
    """A function that ``torch.compile`` does not look into, as by ``torch.compiler.disable``.

    That imports the compiler, which takes longer than torch itself: here only who has it pays.

    >>> @uncompiled
    ... def halvings(x: float) -> int:
    ...     return 0 if x < 1 else 1 + halvings(x / 2)
    >>> halvings(5.0)
    3
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        left_alone: Callable[P, R] = disabled(function)
        return left_alone(*args, **kwargs)

    return call
