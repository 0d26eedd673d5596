"""Bootstrap: any generative model, taught by points that were resampled by their weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import NonNegative
from genlab.samplers.model_based import TaughtSampler
from genlab.samplers.sampler import Indicator, Points
from genlab.samplers.weights import RESAMPLING, Resampling

__all__ = ["Bootstrap"]


@dataclass(kw_only=True, eq=False, repr=False)
class Bootstrap(TaughtSampler):
    """Draws candidates with replacement by ``w_i = h(x_i) / q^k(x_i)``, and learns the outcome.

    As many are drawn as there are candidates, and count equally, so a model needs neither weights
    nor a likelihood: any generative model learns them as it learns data. A little noise tells
    copies of one candidate apart (Gordon, Salmond, Smith, "Novel approach to
    nonlinear/non-Gaussian Bayesian state estimation", 1993, doi:10.1049/ip-f-2.1993.0015, is the
    same step in time).

    >>> import genlab
    >>> square, model = genlab.pde.Box([(-1, 1)] * 2), genlab.models.FlowMatching(2)
    >>> objective, fit = genlab.objectives.VelocityRegression(), genlab.samplers.Descent(steps=5)
    >>> how = {"domain": square, "candidates": 500, "objective": objective, "fit": fit}
    >>> sampler = Bootstrap(n_points=100, model=model, **how)
    >>> points = sampler.refresh(None, lambda x: x.square().sum(1))
    >>> square.contains(sampler.refresh(points, lambda x: x.square().sum(1)).x).all()
    tensor(True)

    Attributes:
        resampling: ``multinomial``, or ``systematic``, which has the least variance.
        jitter: Standard deviation of the noise, as a fraction of the box's sides.
    """

    resampling: Resampling = "systematic"
    jitter: NonNegative = 0.005

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        candidates = self._look(indicator)
        x, weights = candidates.x, candidates.weights.values
        generator = self._generator("resample")
        chosen = RESAMPLING[self.resampling](weights, len(x), generator=generator)
        self._teach(Batch(self._jittered(x[chosen.to(x.device)], generator)))
        return self._draw(self.n_points)

    def _jittered(
        self, x: Float[Tensor, "n d"], generator: torch.Generator
    ) -> Float[Tensor, "n d"]:
        """Each point moved by a little noise, where that leaves it in the domain."""
        low, high = x.new_tensor(self.domain.box).unbind(1)
        noise = torch.randn(x.shape, dtype=x.dtype, generator=generator).to(x.device)
        moved = x + self.jitter * (high - low) * noise
        return torch.where(self.domain.contains(moved)[:, None], moved, x)
