"""The density that samplers with a model draw from: rejection outside the domain, and its price."""

from __future__ import annotations

import math

import pytest
import torch
from properties import MODELS

from genlab.densities import Density
from genlab.errors import RunError
from genlab.pde import Disk, Grid
from genlab.samplers.proposal import Proposal


def gaussian(deviation: float) -> Density:
    """``N(0, deviation^2 I)`` in the plane."""
    model = MODELS["gmm"](2, components=1)
    model.mixture.load(
        model.mixture()._replace(
            means=torch.zeros(1, 1, 2), roots=(torch.eye(2) / deviation).view(1, 1, 2, 2)
        )
    )
    return model.double()


def test_acceptance_on_a_disk() -> None:
    proposal = Proposal(Disk(), gaussian(0.7), alpha=0.0)
    proposal.fitted = True
    proposal.estimate_acceptance(100_000, generator=torch.Generator().manual_seed(0))
    exact = -math.expm1(-1 / (2 * 0.7**2))
    assert proposal.acceptance == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 1e5))
    x = proposal.sample(20_000, generator=torch.Generator().manual_seed(1))
    # Of what is kept, the radius has the law of the Gaussian inside the disk.
    inside = (x.square().sum(1) < 0.25).double().mean().item()
    assert inside == pytest.approx(-math.expm1(-0.125 / 0.49) / exact, abs=0.015)
    grid = Grid(Disk(), 400, centred=True)
    mass = proposal.log_prob(grid.x).exp().sum().item() * grid.cell
    assert mass == pytest.approx(1.0, abs=0.005)


def test_a_model_that_misses_the_domain_is_told() -> None:
    proposal = Proposal(Disk(), gaussian(1000.0), alpha=0.5)
    with pytest.raises(RunError, match=r"lies in the domain\ntry"):
        proposal.estimate_acceptance(1000, generator=torch.Generator().manual_seed(0))
