"""Calls of JAX as pieces of work: what is begun has to be waited for."""

from __future__ import annotations

import time
from typing import Any

import jax

from benchmarks.work import Work

__all__ = ["waiting"]


def waiting(call: Any) -> Work:
    """A call whose last result is waited for, with the seconds that its first one took."""
    start = time.perf_counter()
    last = [jax.block_until_ready(call())]
    notes = {"seconds to compile": time.perf_counter() - start}

    def run() -> None:
        last[0] = call()

    return Work(run, wait=lambda: jax.block_until_ready(last[0]), notes=notes)
