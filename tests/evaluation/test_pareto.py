"""The tail of weights against closed-form quantiles, arviz-stats and its own sampling."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.evaluation import pareto_k
from genlab.evaluation.pareto import fit_tail

# arviz_stats.base.array_stats.psislw(-log_weight)[1], version 0.8.0, at `quantiles(n, k)`.
ARVIZ = {
    (100, -0.5): -0.09648093851373678,
    (100, 0.3): 0.3772698681657964,
    (225, 0.7): 0.6481917517824191,
    (226, 0.7): 0.6481917517824218,
    (1000, 0.0): 0.0633750255537636,
    (1000, 1.2): 1.103204789836441,
    (20000, -0.5): -0.47024471922519573,
    (20000, 0.3): 0.3056704176145356,
    (20000, 0.7): 0.692814739654829,
}


def quantiles(n, k):
    """One more than evenly spaced quantiles of a generalised Pareto law of scale 1."""
    p = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    excess = torch.expm1(-k * torch.log1p(-p)) / k if k else -torch.log1p(-p)
    return 1 + excess


@pytest.mark.parametrize(("n", "k"), ARVIZ)
def test_the_shape_is_that_of_arviz(n, k):
    log_weight = quantiles(n, k).log()
    order = torch.randperm(n)
    assert pareto_k(log_weight[order] - 700) == pytest.approx(ARVIZ[n, k], rel=1e-9)


@pytest.mark.parametrize("k", [-0.5, 0.0, 0.2, 0.45])
def test_the_second_moment_is_that_of_the_law(k):
    # E (1 + y)^2 of the whole law, which from any threshold on is one of the same shape.
    exact = 1 + 2 / (1 - k) + 2 / ((1 - k) * (1 - 2 * k))
    w = quantiles(1_000_000, k)
    tail = fit_tail(w)
    body = w[w <= tail.threshold].square().sum() / len(w)
    moments = body + tail.share * tail.second_moments()
    near = tail.shapes.sub(k).abs().argmin()
    assert moments[near].item() == pytest.approx(exact, rel=0.03)
    mean = (tail.posterior * tail.shapes).sum().item()
    assert mean == pytest.approx(k, abs=0.05)
    assert tail.posterior.sum().item() == pytest.approx(1)


def test_from_a_half_on_there_is_no_second_moment():
    tail = fit_tail(quantiles(20_000, 0.8))
    assert tail.second_moments()[tail.shapes >= 0.5].isinf().all()
    assert tail.posterior[tail.shapes < 0.5].sum() < 0.01


def test_the_posterior_is_as_wide_as_repetitions():
    source = torch.Generator().manual_seed(0)
    fits = [
        fit_tail((1 - torch.rand(2000, generator=source, dtype=torch.float64)) ** -0.4)
        for _ in range(200)
    ]
    means = torch.stack([(fit.posterior * fit.shapes).sum() for fit in fits])
    widths = torch.stack(
        [
            (fit.posterior * (fit.shapes - mean).square()).sum().sqrt()
            for fit, mean in zip(fits, means, strict=True)
        ]
    )
    assert means.mean().item() == pytest.approx(0.4, abs=0.03)
    assert widths.mean().item() == pytest.approx(means.std().item(), rel=0.2)


def test_equal_weights_have_no_tail():
    assert pareto_k(torch.zeros(1000)) == 0.0
    half = torch.cat([torch.zeros(500), torch.full((500,), -math.inf)])
    assert pareto_k(half) == 0.0


def test_a_few_weights_above_equal_ones_tell_of_anything():
    assert pareto_k(torch.cat([torch.zeros(997), torch.tensor([1.0, 2.0, 300.0])])) == math.inf


def test_too_few_weights_tell_nothing():
    assert math.isnan(pareto_k(torch.randn(24)))
    assert math.isfinite(pareto_k(torch.randn(25)))
    assert math.isnan(pareto_k(torch.cat([torch.randn(99), torch.tensor([math.nan])])))
