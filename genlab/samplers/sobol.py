"""Quasi-random points."""

from __future__ import annotations

import torch

from genlab.samplers.even import EvenSampler
from genlab.samplers.sampler import Points

__all__ = ["Sobol"]


class Sobol(EvenSampler):
    """The first points of Sobol's sequence that lie in the domain, scrambled afresh each time.

    Scrambled, each point is uniform on the domain, and together they leave smaller gaps than
    independent ones (Owen, "Scrambling Sobol' and Niederreiter-Xing points", 1998).
    """

    def _spread(self) -> Points:
        seed = torch.randint(2**31, (), generator=self._generator("points")).item()
        sequence = torch.quasirandom.SobolEngine(self.domain.dim, scramble=True, seed=int(seed))
        low, high = torch.tensor(self.domain.box, dtype=torch.float64).unbind(1)
        found = [low.new_empty(0, self.domain.dim)]
        missing = self.n_points
        while missing > 0:
            x = low + (high - low) * sequence.draw(missing, dtype=torch.float64)
            found.append(x[self.domain.contains(x)])
            missing -= len(found[-1])
        x = torch.cat(found).to(torch.get_default_dtype())
        return Points(x, self.log_prob(x))
