"""The base classes of samplers that learn a density of where the residual is large."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections.elementwise_affine import Standardise
from genlab.bounds import Fraction, PositiveInt
from genlab.densities.density import Density
from genlab.models.flow import Base, Flow
from genlab.nn.precision import full_precision
from genlab.objectives import Objective, own_objective
from genlab.samplers.fitting import Descent, training
from genlab.samplers.proposal import Proposal
from genlab.samplers.sampler import Indicator, Points, Sampler, evaluated
from genlab.samplers.weights import Weights, importance_weights

__all__ = ["Candidates", "ModelSampler", "TaughtSampler"]

ACCEPTANCE_SAMPLES = 20_000
"""Samples that the chance to stay in the domain is estimated with, to half a percent."""

SETTLED = 0.3
"""Effective share of the candidates: above it, the density knows where the indicator is large."""


class Candidates(NamedTuple):
    """Points of the present q, and what they weigh.

    >>> x, log_q = torch.rand(4, 2), torch.zeros(4, dtype=torch.float64)
    >>> candidates = Candidates(x, log_q, importance_weights(x[:, 0], log_q))
    >>> round(candidates.weights.values.sum().item(), 6)
    1.0

    Attributes:
        x: Points ``[n, d]``, in the model's type and on its device.
        log_q: Log-density that they were drawn from, ``[n]``, in float64 on the CPU.
        weights: Their weights under ``h / Z``.
    """

    x: Float[Tensor, "n d"]
    log_q: Float[Tensor, " n"]
    weights: Weights


@dataclass(kw_only=True, eq=False, repr=False)
class ModelSampler(Sampler):
    """Draws from ``q = (1 - alpha) p 1_Omega / P_acc + alpha / |Omega|`` with a model p.

    At every refresh it looks at candidates from the present q, teaches the model where the
    indicator is large, and draws the next points from the new q. The first points are uniform.
    Subclasses implement `_refresh`:

    References: arXiv:2112.14038; doi:10.1080/00401706.1995.10484303 (the uniform share).

    >>> import genlab
    >>> class Frozen(ModelSampler):  # looks, and learns nothing
    ...     def _check(self):
    ...         pass
    ...     def _refresh(self, points, indicator):
    ...         self._look(indicator)
    ...         return self._draw(self.n_points)
    >>> model, square = genlab.models.RealNVP(2, layers=2), genlab.pde.Box([(-1, 1)] * 2)
    >>> sampler = Frozen(domain=square, n_points=10, model=model)
    >>> points = sampler.refresh(None, lambda x: x[:, 0].square())
    >>> points = sampler.refresh(points, lambda x: x[:, 0].square())
    >>> points.x.shape, sampler.metrics()["sampler/ess"] < 1
    (torch.Size([10, 2]), True)

    Attributes:
        model: The density ``p``, not trained yet.
        alpha: Uniform share of q.
        candidates: Points at which a refresh looks at the indicator.
        even: Draw points that fill q more evenly than independent ones, where the family can
            (`Density.sample_evenly`): what is learned on them generalises better.
        confine: Base density of a flow that is to live in the domain's box, so that no sample
            leaves it; None to leave it in the whole space, where mixtures and autoencoders always
            are.
    """

    model: Density
    alpha: Fraction = 0.5
    candidates: PositiveInt = 5000
    even: bool = False
    confine: Base | None = "logistic"

    def __post_init__(self) -> None:
        model = self.model
        if self.confine is not None and isinstance(model, Flow) and not model.confined:
            model.confine(self.domain.box, base=self.confine)
        if model.preprocessing is None:
            model.preprocessing = Standardise(model.event_shape)
        # What has just been put round it has the default type.
        model.to(model.device, model.dtype)
        self.initialise()
        self.proposal = Proposal(self.domain, model, alpha=self.alpha, even=self.even)
        self._metrics: dict[str, float] = {}

    def initialise(self) -> None:
        """Start the model from uniform points: from the scale of the domain."""
        generator = self._generator("initialise")
        x = self.domain.sample(self.candidates, generator=generator, dtype=self.model.dtype)
        with training(self.model, generator):
            self.model.initialise(x.to(self.model.device))

    def _look(self, indicator: Indicator) -> Candidates:
        """Draw candidates, look at the indicator there, and note how good the present q is.

        The candidates are fresh, and h is the present one, so the numbers hold for a proposal that
        has not seen them:

        - ``sampler/ess``: Kish's effective sample size, as a fraction of the candidates;
        - ``sampler/largest_weight``: the share of the heaviest of them;
        - ``sampler/kl``: ``KL(h / Z || p)`` in nats, estimated with the weights;
        - ``sampler/mass``: ``Z = int h``;
        - ``sampler/int_p``: ``int_Omega p / P_acc``, the mean of ``p / q``: 1 but for noise where a
          likelihood is exact.
        """
        x = self.proposal.sample(self.candidates, generator=self._generator("candidates"))
        h = evaluated(indicator, x).cpu()
        log_p = self.proposal.log_prob_of_model(x)
        log_q = self.proposal.blend(log_p)
        weights = importance_weights(h, log_q)
        # Where a weight is 0 its logarithm is infinite, and log_p may be: 0 log 0 = 0.
        gain = torch.where(weights.values > 0, weights.values.log() - log_p + log_q, 0.0)
        divergence = weights.values @ gain + math.log(len(x))
        self._metrics = {
            "sampler/ess": weights.effective,
            "sampler/largest_weight": weights.largest,
            "sampler/kl": divergence.item(),
            "sampler/mass": weights.mass,
            "sampler/int_p": (log_p - log_q).exp().mean().item(),
        }
        return Candidates(x, log_q, weights)

    def _draw(self, n: int) -> Points:
        """Points of the q that the model has just been taught."""
        self.proposal.fitted = True
        self.proposal.estimate_acceptance(
            ACCEPTANCE_SAMPLES, generator=self._generator("acceptance")
        )
        self._metrics["sampler/acceptance"] = self.proposal.acceptance
        return self._sample(n)

    @full_precision
    def held_out(self) -> Points:
        return self._sample(self.n_points, "held out")

    def _redraw(self, points: Points) -> Points:
        return self._sample(len(points.x))

    def _sample(self, n: int, purpose: str = "points") -> Points:
        x = self.proposal.sample(n, generator=self._generator(purpose))
        return Points(x, self.proposal.log_prob(x).to(x))

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return self.proposal.log_prob(x.to(self.model.device, self.model.dtype)).to(x)

    @property
    def settled(self) -> bool:
        return self._metrics.get("sampler/ess", 0.0) > SETTLED

    def metrics(self) -> dict[str, float]:
        return dict(self._metrics)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {
            "proposal": self.proposal.state_dict(),
            "metrics": dict(self._metrics),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.proposal.load_state_dict(state["proposal"])
        self._metrics = dict(state["metrics"])


@dataclass(kw_only=True, eq=False, repr=False)
class TaughtSampler(ModelSampler):
    """Teaches its model by points that have weights or count the same, as it learns from data.

    `DAS` gives it weighted candidates, `Bootstrap` resampled ones.

    References: arXiv:2112.14038.

    >>> import genlab
    >>> class Uniform(TaughtSampler):  # learns points of the uniform density
    ...     def _refresh(self, points, indicator):
    ...         self._teach(Batch(self.domain.sample(500, generator=None)))
    ...         return self._draw(self.n_points)
    >>> model, square = genlab.models.RealNVP(2, layers=2), genlab.pde.Box([(-1, 1)] * 2)
    >>> sampler = Uniform(domain=square, n_points=10, model=model, fit=Descent(steps=5))
    >>> sampler.refresh(sampler.refresh(None, torch.zeros), torch.zeros).x.shape
    torch.Size([10, 2])

    Attributes:
        objective: What the model learns by; None for its family's own (`own_objective`).
        fit: How long and how carefully, at each refresh.

    Raises:
        UserError: The objective cannot teach the model.
    """

    objective: Objective[Any] | None = None
    fit: Descent = field(default_factory=Descent)

    def __post_init__(self) -> None:
        if self.objective is None:
            self.objective = own_objective(self.model)
        self.objective.adopt(self.model)
        super().__post_init__()

    def _teach(self, batch: Batch) -> None:
        """One round of the fit."""
        assert self.objective is not None
        first = not self.proposal.fitted
        generator = self._generator("fit")
        self.fit.teach(self.model, self.objective, batch, first=first, generator=generator)
