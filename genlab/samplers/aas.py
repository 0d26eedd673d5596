"""AAS: adversarial adaptive sampling, a game between the network and the density."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import NonNegative
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.objectives import MixtureDescent, Objective
from genlab.samplers.fitting import Descent, training
from genlab.samplers.model_based import Candidates, ModelSampler
from genlab.samplers.sampler import Indicator, Points

__all__ = ["AAS", "adversarial_gain"]


@dataclass(kw_only=True, eq=False, repr=False)
class AAS(ModelSampler):
    """``min_theta max_p int r^2 p dx - beta int |grad p|^2 dx``.

    Each refresh is a step of the density's player, who raises it by p on points of the present q;
    the network's player lowers the mean of ``r^2`` over the points, all of which count the same:
    `Points.log_q` is None (Tang, Zhai, Wan, Yang, "Adversarial adaptive sampling: unify PINN and
    optimal transport for the approximation of PDEs", 2024, arXiv:2305.18702, section 3).

    >>> import genlab
    >>> square, model = genlab.pde.Box([(-1, 1)] * 2), genlab.models.RealNVP(2, layers=2)
    >>> aas = AAS(domain=square, n_points=100, model=model, fit=Descent(steps=5))
    >>> points = aas.refresh(None, lambda x: x.square().sum(1))
    >>> aas.refresh(points, lambda x: x.square().sum(1)).log_q is None
    True

    Attributes:
        fit: The gradient steps of the density's player.
        beta: Price of slopes, in squared units of length: the density follows what is wider than
            about ``sqrt(beta)``.

    Raises:
        UserError: The model's log-density is not exact.
    """

    fit: Descent = field(
        default_factory=partial(Descent, lr=1e-3, batch_size=500, gradient_clip=1.0)
    )
    beta: NonNegative = 1e-3

    def __post_init__(self) -> None:
        model = self.model
        if model.likelihood != "exact":
            raise UserError(
                f"`AAS`: it needs an exact density; that of {type(model).__name__} is "
                f"{'a lower bound' if model.likelihood == 'lower_bound' else 'an estimate'}: use "
                "`Bootstrap`"
            )
        super().__post_init__()

    def initialise(self) -> None:
        super().initialise()
        if self.model.clusters:
            # Gradients move Gaussians, but do not choose how many there are, or where.
            generator = self._generator("mixture")
            x = self.domain.sample(self.candidates, generator=generator, dtype=self.model.dtype)
            search: Objective[Any] = MixtureDescent()
            with training(self.model, generator):
                search.start(self.model, Batch(x.to(self.model.device)))

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        candidates = self._look(indicator)
        x, log_q = candidates.x, candidates.log_q.to(candidates.x)
        relative = self._relative(candidates)
        generator = self._generator("fit")
        fit = self.fit.of_round(first=not self.proposal.fitted)
        rows = fit.rows(Batch(x), generator)

        def loss(step: int) -> Float[Tensor, ""]:
            some: Int[Tensor, " rows"] = rows[step]
            return -adversarial_gain(
                self.model, x[some], relative[some], log_q[some], beta=self.beta
            )

        fit.descend(self.model, loss, generator=generator)
        fresh = self._draw(self.n_points)
        self._metrics |= {
            "sampler/beta": self.beta,
            "sampler/log_p_max": self.proposal.log_prob_of_model(x).max().item(),
        }
        return Points(fresh.x, None)

    def _redraw(self, points: Points) -> Points:
        return Points(super()._redraw(points).x, None)

    def _relative(self, candidates: Candidates) -> Float[Tensor, " n"]:
        """``h / Z``: without it, beta would mean ever more as the residual shrinks."""
        weights = candidates.weights.values
        return (weights * len(weights) * candidates.log_q.exp()).to(candidates.x)


def adversarial_gain(
    model: Density,
    x: Float[Tensor, "n d"],
    h: Float[Tensor, " n"],
    log_q: Float[Tensor, " n"],
    *,
    beta: float,
) -> Float[Tensor, ""]:
    """``1/n sum_i [h(x_i) p(x_i) - beta |grad p(x_i)|^2] / q(x_i)`` with ``x_i ~ q``.

    An estimate of ``int h p - beta |grad p|^2``, of which the density's player wants the most.
    ``grad p = p grad log p``.

    Args:
        model: The density ``p``.
        x: Points.
        h: The indicator at them, normalised.
        log_q: Log-density that they were drawn from.
        beta: Price of slopes.
    """
    x = x.detach().requires_grad_()
    log_p = model.log_prob(x)
    (slope,) = torch.autograd.grad(log_p.sum(), x, create_graph=True)
    ratio = (log_p - log_q).exp()
    return (ratio * (h - beta * log_p.exp() * slope.square().sum(1))).mean()
