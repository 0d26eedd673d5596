"""What a contestant does again and again, and what it costs: microseconds, and memory."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Work", "adam_step", "evaluation", "microseconds", "peak_megabytes", "steps_for"]

PEAK = Path("/proc/self/clear_refs")


def settled() -> None:
    """Wait until the GPU, where there is one at work, has done all that torch has asked it for."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


@dataclass
class Work:
    """A piece of work.

    Attributes:
        run: Does it once.
        wait: Returns when all that was begun is done, as on a GPU.
        notes: Numbers to be told beside its time, such as seconds of compiling.
    """

    run: Callable[[], Any]
    wait: Callable[[], object] = settled
    notes: dict[str, float] = field(default_factory=dict)


def adam_step(model: nn.Module, loss: Callable[[], Tensor], *, fused: bool = False) -> Work:
    """A training step; with torch's plain Adam, as peers' examples have it, or the fused one."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused or None)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return Work(step)


def evaluation(call: Callable[[], object]) -> Work:
    """A call without a graph."""
    return Work(torch.no_grad()(call))


def microseconds(work: Work, repeats: int) -> float:
    """Microseconds that one of so many repeats takes."""
    work.wait()
    start = time.perf_counter()
    for _ in range(repeats):
        work.run()
    work.wait()
    return (time.perf_counter() - start) / repeats * 1e6


def steps_for(work: Work, seconds: float) -> int:
    """How many repeats take so long, at least one; what is made once is made by then."""
    once = microseconds(work, 1)
    if once < 2e6:  # what takes longer hides what is made once
        once = min(once, microseconds(work, 1 if once > 1e5 else 5))
    return max(1, round(seconds * 1e6 / once))


def peak_megabytes(work: Work, device: str) -> float | None:
    """What the work needs at most beyond what is held before and behind it.

    On the CPU of this process, which Linux alone tells; on a GPU, of torch's own account.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work.run()
        work.wait()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    if not PEAK.exists():
        return None
    # What the warm-up has freed goes back to the system, or it would be taken again unseen.
    ctypes.CDLL(None).malloc_trim(0)
    PEAK.write_text("5")  # the peak begins anew
    before = _resident("VmRSS")
    work.run()
    work.wait()
    return (_resident("VmHWM") - before) / 1024


def _resident(name: str) -> int:
    """Kilobytes that this process holds (VmRSS), or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
