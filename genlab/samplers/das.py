"""DAS: deep adaptive sampling, by the likelihood of weighted points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import PositiveInt
from genlab.samplers.model_based import TaughtSampler
from genlab.samplers.proposal import Proposal
from genlab.samplers.sampler import Indicator, Points

__all__ = ["DAS"]


@dataclass(kw_only=True, eq=False, repr=False)
class DAS(TaughtSampler):
    """``p^{k+1} = argmin_p -1/n sum_i h(x_i) / q^k(x_i) log p(x_i)`` with ``x_i ~ q^k``.

    The minimiser is the p nearest to ``h / Z`` in ``KL(h / Z || p)``. The weights are
    self-normalised; q^k and h are frozen (Tang, Wan, Yang, "DAS-PINNs: a deep adaptive sampling
    method for solving high-dimensional partial differential equations", 2023, arXiv:2112.14038,
    section 4). Families that are not learned by a likelihood learn from the same weights by their
    own principle.

    Points are replaced by as many of the new q (DAS-R), or added to those before (DAS-G). In the
    second case a point's weight is one over the mixture of all stages,
    ``q = sum_j n_j q^j / sum_j n_j``, from which they all are a stratified sample.

    >>> import genlab
    >>> square, model = genlab.pde.Box([(-1, 1)] * 2), genlab.models.RealNVP(2, layers=2)
    >>> das = DAS(domain=square, n_points=100, model=model, fit=genlab.samplers.Descent(steps=5))
    >>> points = das.refresh(None, lambda x: x.square().sum(1))  # the first are uniform
    >>> das.refresh(points, lambda x: x.square().sum(1)).log_q.exp().min() >= 0.5 / 4  # alpha / 4
    tensor(True)

    Attributes:
        added: Points that a refresh adds; None to replace all.
        stages: Where the points grow, the size of each stage and the q that it was drawn from.
    """

    added: PositiveInt | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stages = [(self.n_points, self.proposal.frozen())] if self.grows else []

    @property
    def grows(self) -> bool:
        return self.added is not None

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        candidates = self._look(indicator)
        x, weights = candidates.x, candidates.weights.values
        self._teach(Batch(x, weight=weights.to(x) * len(x)))
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
