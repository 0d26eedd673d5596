"""Uniform samples within cells of a grid, safe from rounding."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["uniform_in_cells"]


def uniform_in_cells(
    n: int, cells: int, generator: torch.Generator | None, device: torch.device
) -> Float[Tensor, "n 2"]:
    """Uniform places in ``[0, 1)^2`` that stay in their cell when its number is added in float32.

    Args:
        n: Number of places.
        cells: Number of cells along a side: the more there are, the coarser is float32 within one.
        generator: Source of randomness.
        device: Where to draw.
    """
    margin = min(0.25, cells * 2.0**-23)
    return torch.rand(n, 2, generator=generator, device=device).clamp(margin, 1 - margin)
