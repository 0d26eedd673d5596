"""DAS: deep adaptive sampling, by the likelihood of weighted points."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import Fraction, NonNegativeInt, PositiveInt
from genlab.densities.density import Density
from genlab.pde.domain import Domain
from genlab.samplers.fitting import Fit
from genlab.samplers.model_based import ModelSampler
from genlab.samplers.proposal import Proposal
from genlab.samplers.sampler import Indicator, Points

__all__ = ["DAS"]


class DAS(ModelSampler):
    """``p^{k+1} = argmin_p -1/n sum_i h(x_i) / q^k(x_i) log p(x_i)`` with ``x_i ~ q^k``.

    The minimiser is the p nearest to ``h / Z`` in ``KL(h / Z || p)``. The weights are
    self-normalised; q^k and h are frozen (Tang, Wan, Yang, "DAS-PINNs: a deep adaptive sampling
    method for solving high-dimensional partial differential equations", 2023, section 4). Families
    that are not learned by a likelihood learn from the same weights by their own principle.

    Points are replaced by as many of the new q (DAS-R), or added to those before (DAS-G). In the
    second case a point's weight is one over the mixture of all stages,
    ``q = sum_j n_j q^j / sum_j n_j``, from which they all are a stratified sample.

    Args:
        domain: Where the PDE holds.
        n_points: Number of collocation points; of those to start from where they grow.
        seed: Seed of all draws.
        model: The density ``p``, not trained yet.
        fit: How it is taught.
        alpha: Uniform share of q.
        candidates: Points at which a refresh looks at the indicator.
        confine: Base density of a flow that is to live in the domain's box; None to leave it in
            the whole space.
        added: Points that a refresh adds; None to replace all.

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
        added: PositiveInt | None,
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
        self.added = added
        self.grows = added is not None
        self.stages = [(n_points, self.proposal.frozen())] if self.grows else []

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        x, _, _, weights = self._look(indicator)
        batch = Batch(x, weight=weights.values.to(x) * len(x))
        self.fit(
            self.model,
            batch,
            first=not self.proposal.fitted,
            generator=self._generator("fit"),
        )
        if self.added is None:
            return self._draw(self.n_points)
        fresh = self._draw(self.added)
        self.stages.append((self.added, self.proposal.frozen()))
        x = torch.cat((points.x.to(fresh.x), fresh.x))
        return Points(x, self.log_prob(x))

    def _redraw(self, points: Points) -> Points:
        return points if self.grows else super()._redraw(points)

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``log q``; where the points grow, that of the mixture of all stages."""
        if not self.stages:
            return super().log_prob(x)
        rows = x.to(self.model.device, self.model.dtype)
        total = sum(count for count, _ in self.stages)
        parts = [stage.log_prob(rows) + math.log(count / total) for count, stage in self.stages]
        return torch.stack(parts).logsumexp(0).to(x)

    def state_dict(self) -> dict[str, Any]:
        stages = [(count, stage.state_dict()) for count, stage in self.stages]
        return super().state_dict() | {"stages": stages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.stages = [(count, self._stage(saved)) for count, saved in state["stages"]]

    def _stage(self, state: dict[str, Any]) -> Proposal:
        stage = self.proposal.frozen()
        stage.load_state_dict(state)
        return stage
