"""Targets whose samples a simulation makes, one after another, and that are worth keeping."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genlab.batch import Batch
from genlab.fields import Symmetries
from genlab.randomness import generator as seeded
from genlab.targets.kept_set import KeptSet
from genlab.targets.target import Target

__all__ = ["SimulatedTarget"]

# Numbers of a chunk.
CHUNK = 2**17


class SimulatedTarget(Target):
    """A law of fields whose samples take milliseconds each, or more, and are kept in files.

    >>> import genlab
    >>> spectrum = genlab.fields.PowerLaw(rms=3.0)
    >>> target = genlab.targets.Turbulence(5, spectrum=spectrum, time=0.1)
    >>> target.kept("train", 100, seed=0).x.shape
    torch.Size([100, 1, 5, 5])

    Args:
        size: Points a side.

    Attributes:
        root: The folder of all kept sets; None to keep none.
        symmetries: Motions that do not change the law.
    """

    quantity = "vorticity"
    symmetries: Symmetries
    root: str | None = None

    def __init__(self, size: int) -> None:
        super().__init__()
        self.event_shape = (1, size, size)

    @property
    @abstractmethod
    def law(self) -> dict[str, Any]:
        """All that fixes the samples, as JSON takes it; ``law`` is its name."""

    @property
    def device(self) -> torch.device:
        """The device that fields are simulated on."""
        return next(self.buffers()).device

    @property
    def chunk(self) -> int:
        """Samples that are made, and kept, at a time: some seconds of work."""
        return max(16, CHUNK // self.event_shape[-1] ** 2)

    def kept(self, purpose: str, n: int, *, seed: int) -> Batch:
        """The first n samples for a purpose: read where they are kept, or else made and kept.

        Args:
            purpose: What they are for, such as ``"train"``; no two purposes share a sample.
            n: How many.
            seed: Of all samples, with the purpose.
        """
        rows = self.chunk

        def make(chunk: int) -> dict[str, Tensor]:
            source = seeded(seed, purpose, chunk, device=self.device)
            batch = self.draw(rows, generator=source)
            parts = {"x": batch.x, "context": batch.context}
            return {name: part.cpu() for name, part in parts.items() if part is not None}

        if self.root is None:
            chunks = [make(chunk) for chunk in range(-(-n // rows))]
            parts = {name: torch.cat([own[name] for own in chunks])[:n] for name in chunks[0]}
        else:
            key = {**self.law, "purpose": purpose, "seed": seed}
            parts = KeptSet(Path(self.root), key, make, rows=rows).read(n)
        return Batch(parts["x"], parts.get("context"))
