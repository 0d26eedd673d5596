"""Speed of sampling, and how exactly a flow goes back the way that its samples came."""

from __future__ import annotations

import time

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, batches, context_rows, fitting, inference, spawn

__all__ = ["bijection_of", "in_units", "inverse_error", "samples_per_second", "synchronise"]


def samples_per_second(
    model: Density,
    context: Shaped[Tensor, "..."] | None = None,
    *,
    generator: torch.Generator | None = None,
    seconds: float = 0.1,
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
        synchronise(model.device)
        drawn, start, elapsed = 0, time.perf_counter(), 0.0
        while elapsed < seconds or not drawn:
            model.sample(batch_size, context, generator=source)
            synchronise(model.device)
            drawn += batch_size
            elapsed = time.perf_counter() - start
    return drawn / elapsed


def synchronise(device: torch.device) -> None:
    """Let a device finish what it was handed: its calls return before they are done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def bijection_of(model: Density) -> Bijection | None:
    """The map from data to latent of a flow; None for a model that has none."""
    bijection = getattr(model, "bijection", None)
    return bijection if isinstance(bijection, Bijection) else None


def inverse_error(
    model: Density,
    x: Float[Tensor, "n *event"],
    context: Shaped[Tensor, "..."] | None = None,
    *,
    scale: Float[Tensor, "*event"] | None = None,
    batch_size: int = BATCH_SIZE,
) -> float:
    """``max |x - f^{-1}(f(x))|`` over all coordinates of all points, of angles up to full turns.

    The inverse is the one that samples go through. NaN as soon as one coordinate is NaN.

    Args:
        model: A flow.
        x: Points in data units.
        context: One row or n rows, as in `Density.log_prob`.
        scale: The unit of each coordinate; data units if None.
        batch_size: Points at once.

    Raises:
        ValueError: The model has no bijection.
    """
    bijection = bijection_of(model)
    if bijection is None:
        raise ValueError(f"model: expected a flow, got {type(model).__name__}")
    worst = torch.zeros((), dtype=torch.float64)
    with inference(model):
        for rows in batches(len(x), fitting(model, batch_size)):
            points = x[rows].to(model.device, model.dtype)
            raw = context_rows(context, len(x), rows, model.device)
            encoded = model.context_encoder(raw, len(points), points.dtype)
            z, _ = bijection(points, encoded)
            errors = bijection.generate(z, encoded) - points
            if model.door is not None:
                errors = model.door.encode(errors)
            errors = errors.abs().cpu().double()
            worst = torch.maximum(worst, in_units(errors, scale).max())
    return worst.item()


def in_units(
    x: Float[Tensor, "n *event"], scale: Float[Tensor, "*event"] | None
) -> Float[Tensor, "n *event"]:
    """Numbers in data units as multiples of the unit of each coordinate, where it has one."""
    return x if scale is None else x.cpu().double() / scale.cpu()
