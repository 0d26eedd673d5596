"""R3: retain, resample, release."""

from __future__ import annotations

import torch

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.pde.domain import Domain
from genlab.samplers.sampler import Indicator, Points, Sampler, evaluated

__all__ = ["R3"]


class R3(Sampler):
    """Retains the points where ``|r|`` exceeds its mean, and draws the others anew, uniformly.

    ``|r| = sqrt h``. What is retained piles up where the residual stays large, and is released
    where it falls (Daw, Bu, Wang, Perdikaris, Karpatne, "Mitigating propagation failures in
    physics-informed neural networks using retain-resample-release (R3) sampling", 2023,
    algorithm 1).

    Args:
        domain: Where the PDE holds.
        n_points: Number of collocation points.
        seed: Seed of all draws.
    """

    def __init__(self, *, domain: Domain, n_points: PositiveInt, seed: NonNegativeInt) -> None:
        super().__init__(domain=domain, n_points=n_points, seed=seed)
        self.retained = 0.0

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        size = evaluated(indicator, points.x).sqrt()
        kept = points.x[size > size.mean()]
        fresh = self._uniform(len(points.x) - len(kept), "points").x
        self.retained = len(kept) / len(points.x)
        return Points(torch.cat((kept, fresh.to(kept))), None)

    def metrics(self) -> dict[str, float]:
        """``sampler/retained``: the share of points that stayed."""
        return {"sampler/retained": self.retained}
