"""How fast a model samples."""

from __future__ import annotations

import time

import torch
from jaxtyping import Shaped
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, inference, spawn

__all__ = ["samples_per_second"]


def samples_per_second(
    model: Density,
    context: Shaped[Tensor, "..."] | None = None,
    *,
    generator: torch.Generator | None = None,
    seconds: float = 0.5,
    batch_size: int = BATCH_SIZE,
) -> float:
    """Samples drawn in a second, batch after batch, after one batch of warm-up.

    Args:
        model: The density that is sampled.
        context: One row, or ``batch_size`` rows.
        generator: Source of randomness, on any device; a fixed seed if None.
        seconds: Time to draw for; at least one batch is drawn.
        batch_size: Samples at once.
    """
    source = spawn(generator or torch.Generator(), model.device)
    context = None if context is None else context.to(model.device)
    with inference(model, generator):
        model.sample(batch_size, context, generator=source)
        _wait(model.device)
        drawn, start, elapsed = 0, time.perf_counter(), 0.0
        while elapsed < seconds or not drawn:
            model.sample(batch_size, context, generator=source)
            _wait(model.device)
            drawn += batch_size
            elapsed = time.perf_counter() - start
    return drawn / elapsed


def _wait(device: torch.device) -> None:
    """Let a device finish what it was handed: its calls return before they are done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
