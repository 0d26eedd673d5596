"""Inference for evaluation: in eval mode, without gradients, in batches, repeatably."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from genlab.densities.density import Density
from genlab.nn.precision import unrounded

__all__ = [
    "BATCH_SIZE",
    "batches",
    "context_rows",
    "device_of",
    "draw_samples",
    "fitting",
    "inference",
    "log_probs",
    "private_randomness",
    "spawn",
]

BATCH_SIZE = 4096
"""Rows that a model sees at once: large enough for full speed, small enough for any memory."""

NUMBERS_AT_ONCE = 2**18
"""Numbers of the data at once: fewer rows of images, of which a network makes many channels."""


def spawn(generator: torch.Generator, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on ``device``, seeded by a draw from ``generator``, which may live elsewhere."""
    seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device)
    return torch.Generator(device).manual_seed(int(seed))


def device_of(module: nn.Module) -> torch.device:
    """Device of the first parameter or buffer; the CPU without any."""
    return next(chain(module.parameters(), module.buffers()), torch.empty(0)).device


@contextmanager
def inference(model: nn.Module, generator: torch.Generator | None = None) -> Iterator[None]:
    """Eval mode without gradients, on a private copy of the global random state.

    A likelihood that is an estimate draws its probes from torch's global generator. Here it draws
    from a copy, seeded by ``generator``: the numbers repeat, and the caller's state is untouched.
    On leaving, every submodule is back in its own mode. No autocast rounds what is measured.

    Args:
        model: The model to evaluate.
        generator: Seeds the private random state; a fixed seed if None.
    """
    seed = 0 if generator is None else spawn(generator).initial_seed()
    modes = [(module, module.training) for module in model.modules()]
    with torch.no_grad(), unrounded(), private_randomness(device_of(model), seed):
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


@contextmanager
def private_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """A seeded copy of torch's global random state, on the CPU and on a device; then the old one.

    Args:
        device: Where a model draws.
        seed: What the copy starts from.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.default_generator.manual_seed(seed)
        for one in cuda:
            with torch.cuda.device(one):
                torch.cuda.manual_seed(seed)
        yield


def fitting(density: Density, batch_size: int) -> int:
    """The number of rows that a model sees at once, ``batch_size`` at most."""
    return max(1, min(batch_size, NUMBERS_AT_ONCE // math.prod(density.event_shape)))


def batches(n: int, batch_size: int) -> Iterator[slice]:
    """Slices that cover ``range(n)``, at most ``batch_size`` long."""
    return (slice(start, min(start + batch_size, n)) for start in range(0, n, batch_size))


def context_rows(
    context: Shaped[Tensor, "..."] | None, n: int, rows: slice, device: torch.device
) -> Shaped[Tensor, "..."] | None:
    """The part of a context that belongs to ``rows`` of ``n``; a single row belongs to all."""
    if context is None:
        return None
    # A float vector [c] is one row, an integer vector [n] is n labels.
    many = context.ndim > 1 or not context.is_floating_point()
    if many and context.ndim and len(context) == n:
        context = context[rows]
    return context.to(device)


def log_probs(
    density: Density,
    x: Float[Tensor, "n *event"],
    context: Shaped[Tensor, "..."] | None = None,
    *,
    batch_size: int = BATCH_SIZE,
) -> Float[Tensor, " n"]:
    """Log-densities in nats: computed in the density's own type, returned in float64 on the CPU.

    Args:
        density: The density; the caller has put it under `inference`.
        x: Points in data units, on any device.
        context: One row or n rows, as in `Density.log_prob`.
        batch_size: Points at once.
    """
    parts = [
        density.log_prob(
            x[rows].to(density.device, density.dtype),
            context_rows(context, len(x), rows, density.device),
        )
        for rows in batches(len(x), fitting(density, batch_size))
    ]
    return torch.cat(parts).cpu().double() if parts else torch.empty(0, dtype=torch.float64)


def draw_samples(
    density: Density,
    n: int,
    context: Shaped[Tensor, "..."] | None = None,
    *,
    generator: torch.Generator,
    batch_size: int = BATCH_SIZE,
) -> Float[Tensor, "n *event"]:
    """``n`` samples in data units, drawn batch by batch, on the density's device.

    Args:
        density: The density; the caller has put it under `inference`.
        n: Number of samples, at least 1.
        context: One row or n rows, as in `Density.sample`.
        generator: Source of randomness, on any device.
        batch_size: Samples at once.
    """
    source = spawn(generator, density.device)
    parts = [
        density.sample(
            rows.stop - rows.start, context_rows(context, n, rows, density.device), generator=source
        )
        for rows in batches(n, fitting(density, batch_size))
    ]
    return torch.cat(parts)
