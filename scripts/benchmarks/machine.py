"""What something is measured with: processor, threads, packages, and the peers that there are."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import time

from genlab.cli.program import MEMORY

__all__ = ["PEERS", "machine", "missing_peers", "one_core", "restricted"]

PEERS = {
    "zuko": "zuko",
    "nflows": "nflows",
    "normflows": "normflows",
    "flowjax": "flowjax",
    "exponax": "exponax",
    "torchcfm": "torchcfm",
    "scikit-learn": "sklearn",
}
"""The package that a contestant is."""

OTHERS = ("torch", "jax")


def machine(threads: int) -> dict[str, object]:
    """The processor, and the versions of what is installed.

    Args:
        threads: Of each process.
    """
    found = {package.metadata["Name"].lower() for package in importlib.metadata.distributions()}
    names = (name for name in (*OTHERS, *PEERS) if name in found)
    return {
        "processor": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in names},
        "threads": threads,
        "time": time.strftime("%Y-%m-%d %H:%M"),
    }


def missing_peers() -> list[str]:
    """The peers that are not installed, which are told on standard error."""
    missing = [peer for peer, package in PEERS.items() if not importlib.util.find_spec(package)]
    if missing:
        print(
            f"left out, as they are not installed: {', '.join(missing)}; "
            "pip install -c scripts/constraints.txt -e '.[bench]'",
            file=sys.stderr,
        )
    return missing


def one_core() -> int | None:
    """One core for all, so that no side has a second one; None where a system has no such call."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return max(os.sched_getaffinity(0))


def restricted(device: str, threads: int) -> dict[str, str]:
    """Variables that tell each library in its own way how many threads it has, and which device.

    And glibc to keep what is freed, as `genlab train` has it: else it is a matter of chance, of
    what lies at the end of the heap, whether each call takes its memory from the system anew.
    """
    own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    for option, (_, value) in MEMORY.items():
        own[f"MALLOC_{option}_"] = str(value)
    if device == "cpu":
        own["JAX_PLATFORMS"] = "cpu"
        if threads == 1:
            own["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return own
