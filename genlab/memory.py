"""How much memory is free, to be asked before much of it is taken."""

from __future__ import annotations

from pathlib import Path

import torch

__all__ = ["free_memory"]

MEMINFO = Path("/proc/meminfo")
LIMIT, USED = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be taken on a device; None where the system does not tell.

    On the CPU it is what Linux calls available, or less where a container has a limit.

    >>> free = free_memory(torch.device("cpu"))
    >>> free is None or free > 0
    True
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = []
    if MEMINFO.exists():
        lines = (line.split() for line in MEMINFO.read_text().splitlines())
        found += [1024 * int(words[1]) for words in lines if words[0] == "MemAvailable:"]
    if LIMIT.exists() and (limit := LIMIT.read_text().strip()).isdecimal():
        found.append(int(limit) - int(USED.read_text()))
    return min(found, default=None)
