"""A stage of an alternating solve: what the sampler saw, and what it made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genlab.runs.files import atomic_path

__all__ = ["Stage", "read_stages", "write_stage"]


@dataclass(frozen=True)
class Stage:
    """The state right after a refresh.

    Fields are numbers on the nodes of a regular grid over the domain's box, row by row along the
    last coordinate, NaN outside the domain; only in the plane, and None elsewhere.

    Attributes:
        step: Training steps taken before.
        x: The new points, ``[n, d]``.
        weight: The weight of each in the loss, mean about 1, ``[n]``.
        residual: ``r^2`` of the network that the sampler saw.
        indicator: ``h / Z``, the density that the sampler was to follow.
        density: The density of the sampler's next draw; None where it has none.
        error: ``|u - u*|``; None where the solution is not known.
    """

    step: int
    x: Float[Tensor, "n d"]
    weight: Float[Tensor, " n"]
    residual: Float[Tensor, "size size"] | None = None
    indicator: Float[Tensor, "size size"] | None = None
    density: Float[Tensor, "size size"] | None = None
    error: Float[Tensor, "size size"] | None = None


def write_stage(stage: Stage, folder: Path) -> None:
    """Keep a stage as ``stage-STEP.npz``, whole or not at all."""
    folder.mkdir(exist_ok=True)
    parts = {field.name: getattr(stage, field.name) for field in fields(stage)}
    arrays = {
        name: part.float().cpu().numpy() if isinstance(part, Tensor) else np.asarray(part)
        for name, part in parts.items()
        if part is not None
    }
    with atomic_path(folder / f"stage-{stage.step:08d}.npz") as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def read_stages(folder: Path) -> list[Stage]:
    """All stages that were kept, in order."""
    return [_read(np.load(path)) for path in sorted(folder.glob("stage-*.npz"))]


def _read(arrays: Mapping[str, np.ndarray]) -> Stage:
    parts = {name: torch.from_numpy(arrays[name]) for name in arrays if name != "step"}
    return Stage(step=int(arrays["step"]), **parts)
