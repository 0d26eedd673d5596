"""Data-parallel training: which process this is, and what a fit leaves behind in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["is_first", "separate"]

# By these Lightning tells a process of its place among the others.
PLACE = (
    "GLOBAL_RANK",
    "LOCAL_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "NODE_RANK",
    "WORLD_SIZE",
)


def is_first() -> bool:
    """Whether this process is the one that the user started, not one that helps it train."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def separate() -> Iterator[None]:
    """Leave the process group at the end, so that the next fit can form one of its own."""
    before = {name: os.environ.get(name) for name in PLACE}
    try:
        yield
    finally:
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
