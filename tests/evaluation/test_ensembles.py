"""Scores of conditional samples against closed forms of Gaussians."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from genlab.batch import Batch
from genlab.densities import Density
from genlab.evaluation.ensembles import conditional_scores, crps, spread_skill


def gaussian_crps(y: float, mean: float, scale: float) -> float:
    """``s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))`` with ``z = (y - m) / s``."""
    z = torch.tensor((y - mean) / scale)
    normal = torch.distributions.Normal(0.0, 1.0)
    density = normal.log_prob(z).exp()
    return float(scale * (z * (2 * normal.cdf(z) - 1) + 2 * density - 1 / math.sqrt(math.pi)))


@pytest.mark.parametrize("m", [2, 3, 10])
def test_the_score_does_not_depend_on_how_many_there_are(m: int) -> None:
    members = 1.0 + 2 * torch.randn(m, 40_000)
    found = crps(members, torch.full((40_000,), 0.3))
    assert abs(found.value - gaussian_crps(0.3, 1.0, 2.0)) < 4 * found.se
    assert found.se < 0.02


def test_a_score_by_hand() -> None:
    # |1 - 2|, |4 - 2|: mean 1.5; the two are 3 apart, and 3 * 2 / (2 * 2 * 1) = 1.5.
    assert crps(torch.tensor([[[4.0]], [[1.0]]]), torch.tensor([[2.0]])).value == 0.0
    three = torch.tensor([[0.0], [1.0], [5.0]])
    assert crps(three, torch.tensor([2.0])).value == pytest.approx((2 + 1 + 3) / 3 - 10 / 6)


@pytest.mark.parametrize("m", [2, 5])
def test_what_scatters_as_the_truth_has_a_ratio_of_one(m: int) -> None:
    ratios, errors = [], []
    for _ in range(100):
        centre = torch.randn(100, 3)
        truth, members = centre + torch.randn(100, 3), centre + torch.randn(m, 100, 3)
        found = spread_skill(members, truth)
        ratios.append(found.value)
        errors.append(found.se)
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.2)
    assert spread_skill(centre + 2 * torch.randn(50, 100, 3), truth).value == pytest.approx(
        2 * math.sqrt(1.02 / 1.08), rel=0.1
    )


class Posterior(Density):
    """The law of two numbers of variance 1 given their mean with noise of deviation .5."""

    def __init__(self) -> None:
        super().__init__((2,), context_dim=1)
        self.one = nn.Parameter(torch.ones(()))

    def _log_prob(self, x, context):
        raise NotImplementedError

    def _sample(self, n, context, generator):
        x = torch.randn(n, 2, generator=generator)
        noise = 0.5 * torch.randn(n, 1, generator=generator)
        # Matheron's rule: a draw of the joint law, moved by what its observation lacks.
        return x + (context - x.mean(1, keepdim=True) - noise) / (0.5 + 0.25) * 0.5


def test_an_exact_posterior_scores_as_its_closed_form() -> None:
    x = torch.randn(200, 2)
    test = Batch(x, x.mean(1, keepdim=True) + 0.5 * torch.randn(200, 1))
    scores = conditional_scores(
        Posterior(),
        test,
        lambda x: x.mean(1, keepdim=True),
        generator=torch.Generator().manual_seed(0),
        batch_size=500,
    )
    # Each number has variance 1 - 1/4 / (1/2 + 1/4), and a perfect score of s / sqrt(pi).
    expected = {
        "test/crps": math.sqrt((1 - 1 / 3) / math.pi),
        "test/crps/reference": 1 / math.sqrt(math.pi),
        "test/spread_skill": 1.0,
        "test/misfit": 0.5,
        "test/misfit/reference": 0.5,
    }
    assert scores.keys() == expected.keys()
    for tag, value in expected.items():
        assert abs(scores[tag].value - value) < 4 * scores[tag].se, tag
        assert scores[tag].se < 0.1 * value + 0.05


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_rows_have_scores_too(count: int) -> None:
    x = torch.randn(count, 2)
    test = Batch(x, x.mean(1, keepdim=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = conditional_scores(
            Posterior(), test, None, generator=torch.Generator().manual_seed(0), batch_size=100
        )
    assert all(math.isfinite(score.value) for score in scores.values())
    assert ("test/crps/reference" in scores) is (count == 3)


def test_other_contexts_are_those_of_other_trajectories() -> None:
    # Ten trajectories of a hundred rows that hardly differ.
    own = torch.randn(10, 2).repeat_interleave(100, 0)
    test = Batch(own, own.mean(1, keepdim=True))
    scores = conditional_scores(
        Posterior(), test, None, generator=torch.Generator().manual_seed(0), batch_size=100
    )
    assert scores["test/crps/reference"].value > 0.2
