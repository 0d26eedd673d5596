"""What teaches a sampler's model: its gradient, which families it teaches, and how it fails."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from learned import LOOP, SQUARE, make, peak, refreshed
from properties import MODELS, disturb

from genlab.batch import Batch
from genlab.errors import RunError, UserError
from genlab.models import GMM
from genlab.objectives import (
    ELBO,
    EM,
    MaximumLikelihood,
    Objective,
    VelocityRegression,
    negative_log_likelihood,
)
from genlab.pde import Grid
from genlab.samplers import DAS, Descent
from genlab.samplers.proposal import Proposal
from genlab.samplers.weights import importance_weights


def test_the_gradient_of_das_against_quadrature() -> None:
    model = disturb(MODELS["realnvp"](2), 0.1)
    model.confine(SQUARE.box, base="logistic")
    model.double()
    parameters = list(model.parameters())
    grid = Grid(SQUARE, 200, centred=True)
    log_p = model.log_prob(grid.x)
    loss = -(grid.normalised(peak(grid.x)) * log_p).sum() * grid.cell
    exact = torch.autograd.grad(loss, parameters)
    proposal = Proposal(SQUARE, disturb(make("das", "realnvp").model.double(), 0.05), alpha=0.5)
    proposal.fitted = True
    drawn = proposal.sample(100_000, generator=torch.Generator().manual_seed(0))
    weights = importance_weights(peak(drawn), proposal.log_prob(drawn))
    loss = negative_log_likelihood(model, Batch(drawn, weight=weights.values))
    found = torch.autograd.grad(loss, parameters)
    a, b = (torch.cat([part.flatten() for part in parts]) for parts in (exact, found))
    assert (a - b).norm() < 0.03 * a.norm()
    # Rows drawn by their weights, as the steps of a fit see them, have it on the average.
    rows = Descent(steps=1, lr=1.0, batch_size=100_000, gradient_clip=1.0).rows(
        Batch(drawn, weight=weights.values), torch.Generator().manual_seed(1)
    )
    found = torch.autograd.grad(negative_log_likelihood(model, Batch(drawn[rows[0]])), parameters)
    assert (a - torch.cat([part.flatten() for part in found])).norm() < 0.03 * a.norm()


@pytest.mark.parametrize(
    ("kind", "name", "objective", "message"),
    [
        ("das", "gmm", ELBO(), "ELBO teaches VAE models, not GMM"),
        ("bootstrap", "nsf", VelocityRegression(), "teaches FlowMatching models, not NSF"),
        ("das", "gmm", MaximumLikelihood(), "all in one place; use `EM` or"),
        ("das", "krnet", EM(), "EM teaches GMM models, not KRNet"),
    ],
)
def test_impossible_pairs(kind: str, name: str, objective: Objective[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(kind, name, objective=objective)


def test_a_family_is_taught_by_its_own_objective() -> None:
    """A mixture without a word of its objective finds both peaks, as it does by EM."""

    def peaks(x: Tensor) -> Tensor:
        return sum((-40 * (x - centre).square().sum(1)).exp() for centre in (-0.6, 0.6))

    found = []
    for objective in (None, EM()):
        sampler = DAS(
            domain=SQUARE, n_points=100, model=GMM(2), candidates=2000, objective=objective
        )
        points = sampler.refresh(None, peaks)
        for _ in range(3):
            points = sampler.refresh(points, peaks)
        assert sampler.model.metrics()["model/components"] >= 2
        found.append(sampler.metrics()["sampler/ess"])
    assert found[0] == found[1] > 0.4


def test_a_diverging_fit_is_told() -> None:
    sampler = make("das", fit=Descent(**LOOP | {"steps": 30, "lr": 1e30}))
    with pytest.raises(RunError, match=r"fit became .*\ntry a smaller `fit.lr`"):
        refreshed(sampler)


def test_later_rounds_may_take_fewer_steps_than_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    likelihood, taken = MaximumLikelihood(), [0]
    loss = likelihood.loss

    def counted(*of: Any) -> torch.Tensor:
        taken[-1] += 1
        return loss(*of)

    monkeypatch.setattr(likelihood, "loss", counted)
    fit, batch = Descent(**LOOP | {"steps": 10}, later=0.25), Batch(torch.rand(50, 2))
    model, draw = MODELS["realnvp"](2), torch.Generator().manual_seed(0)
    for first in (True, False):
        fit.teach(model, likelihood, batch, first=first, generator=draw)
        taken.append(0)
    assert taken == [10, 3, 0]
