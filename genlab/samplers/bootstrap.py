"""Bootstrap: any generative model, taught by points that were resampled by their weights."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import Fraction, NonNegative, NonNegativeInt, PositiveInt
from genlab.densities.density import Density
from genlab.pde.domain import Domain
from genlab.samplers.fitting import Fit
from genlab.samplers.model_based import ModelSampler
from genlab.samplers.resampling import RESAMPLING, Resampling
from genlab.samplers.sampler import Indicator, Points

__all__ = ["Bootstrap"]


class Bootstrap(ModelSampler):
    """Draws candidates with replacement by ``w_i = h(x_i) / q^k(x_i)``, and learns the outcome.

    What is drawn counts equally, so a model needs neither weights nor a likelihood: any generative
    model learns it as it learns data. A little noise tells copies of one candidate apart
    (Gordon, Salmond, Smith, "Novel approach to nonlinear/non-Gaussian Bayesian state estimation",
    1993, is the same step in time).

    Args:
        domain: Where the PDE holds.
        n_points: Number of collocation points.
        seed: Seed of all draws.
        model: The density ``p``, not trained yet.
        fit: How it is taught.
        alpha: Uniform share of q.
        candidates: Points at which a refresh looks at the indicator, and of which it draws as many.
        confine: Base density of a flow that is to live in the domain's box; None to leave it in
            the whole space.
        resampling: ``multinomial``, or ``systematic``, which has the least variance.
        jitter: Standard deviation of the noise, as a fraction of the box's sides.

    Raises:
        UserError: The model cannot be taught so.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        n_points: PositiveInt,
        seed: NonNegativeInt,
        model: Density,
        fit: Fit,
        alpha: Fraction,
        candidates: PositiveInt,
        confine: Literal["logistic", "normal"] | None,
        resampling: Resampling,
        jitter: NonNegative,
    ) -> None:
        fit.check(model)
        super().__init__(
            domain=domain,
            n_points=n_points,
            seed=seed,
            model=model,
            alpha=alpha,
            candidates=candidates,
            confine=confine,
        )
        self.fit = fit
        self.resampling = resampling
        self.jitter = jitter

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        x, _, _, weights = self._look(indicator)
        generator = self._generator("resample")
        chosen = RESAMPLING[self.resampling](weights.values, len(x), generator=generator)
        self.fit(
            self.model,
            Batch(self._jittered(x[chosen.to(x.device)], generator)),
            first=not self.proposal.fitted,
            generator=self._generator("fit"),
        )
        return self._draw(self.n_points)

    def _jittered(
        self, x: Float[Tensor, "n d"], generator: torch.Generator
    ) -> Float[Tensor, "n d"]:
        """Each point moved by a little noise, where that leaves it in the domain."""
        low, high = x.new_tensor(self.domain.box).unbind(1)
        noise = torch.randn(x.shape, dtype=x.dtype, generator=generator).to(x.device)
        moved = x + self.jitter * (high - low) * noise
        return torch.where(self.domain.contains(moved)[:, None], moved, x)
