"""RAR-D: residual-based adaptive refinement with a distribution."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from genlab.bounds import PositiveInt
from genlab.samplers.residual_based import ResidualSampler
from genlab.samplers.sampler import Indicator, Points

__all__ = ["RARD"]


@dataclass(kw_only=True, eq=False, repr=False)
class RARD(ResidualSampler):
    """Adds points to those before (Wu et al., 2023, algorithm 2, with ``k = 2`` and ``c = 0``).

    Attributes:
        added: Points that a refresh adds.

    Raises:
        ValueError: There are fewer candidates than points to add.
    """

    added: PositiveInt

    def __post_init__(self) -> None:
        if self.candidates < self.added:
            raise ValueError(f"candidates={self.candidates}: expected at least added={self.added}")

    @property
    def grows(self) -> bool:
        return True

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        x, _ = self._choose(self.added, indicator)
        return Points(torch.cat((points.x, x.to(points.x))), None)
