from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from genlab.evaluation import wasserstein2


def test_a_translated_cloud_is_as_far_as_the_shift():
    x = torch.randn(200, 3)
    shift = torch.tensor([3.0, 0.0, -4.0])
    shuffled = x[torch.randperm(200)] + shift
    assert wasserstein2(x, shuffled) == pytest.approx(5.0, rel=1e-6)
    assert wasserstein2(x, x[torch.randperm(200)]) == pytest.approx(0.0, abs=1e-9)


def test_far_from_the_origin_nothing_cancels():
    x = torch.randn(50, 2, dtype=torch.float64) * 1e-3 + 1e6
    assert wasserstein2(x, x + 1e-3) == pytest.approx(math.sqrt(2) * 1e-3, rel=1e-6)


def test_brute_force_over_permutations():
    x, y = torch.randn(6, 2).double(), torch.randn(6, 2).double()
    best = min(
        (x - y[list(order)]).square().sum(1).mean().item()
        for order in itertools.permutations(range(6))
    )
    assert wasserstein2(x, y) == pytest.approx(math.sqrt(best), rel=1e-12)


def test_it_agrees_with_the_best_assignment():
    x, y = torch.randn(300, 2).double(), 1.5 * torch.randn(300, 2).double()
    cost = torch.cdist(x, y).square().numpy()
    expected = cost[linear_sum_assignment(cost)].mean()
    assert wasserstein2(x, y) == pytest.approx(math.sqrt(expected), rel=1e-9)


def test_events_are_flattened():
    x = torch.randn(20, 1, 2, 2)
    assert wasserstein2(x, x + 1) == pytest.approx(2.0, rel=1e-6)


def test_what_is_not_finite_is_infinitely_far():
    x = torch.randn(5, 2)
    y = x.clone()
    y[0, 0] = math.nan
    assert wasserstein2(x, y) == math.inf


def test_unequal_clouds_are_refused():
    with pytest.raises(ValueError, match="as many points"):
        wasserstein2(torch.randn(5, 2), torch.randn(4, 2))
    with pytest.raises(ValueError, match="as many points"):
        wasserstein2(torch.empty(0, 2), torch.empty(0, 2))
