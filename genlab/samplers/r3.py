"""R3: retain, resample, release."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from genlab.samplers.sampler import Indicator, Points, Sampler, evaluated

__all__ = ["R3"]


@dataclass(kw_only=True, eq=False, repr=False)
class R3(Sampler):
    """Retains the points where ``|r|`` exceeds its mean, and draws the others anew, uniformly.

    ``|r| = sqrt h``. What is retained piles up where the residual stays large, and is released
    where it falls (Daw, Bu, Wang, Perdikaris, Karpatne, "Mitigating propagation failures in
    physics-informed neural networks using retain-resample-release (R3) sampling", 2023,
    algorithm 1).

    Attributes:
        retained: The share of points that stayed at the last refresh.
    """

    retained: float = field(init=False, default=0.0)

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        size = evaluated(indicator, points.x).sqrt()
        kept = points.x[size > size.mean()]
        fresh = self._uniform(len(points.x) - len(kept), "points").x
        self.retained = len(kept) / len(points.x)
        return Points(torch.cat((kept, fresh.to(kept))), None)

    def metrics(self) -> dict[str, float]:
        """``sampler/retained``: the share of points that stayed."""
        return {"sampler/retained": self.retained}
