from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from genlab.evaluation import wasserstein2
from genlab.evaluation.distances import transport
from genlab.nn import wrap


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


def on_the_line(x, y, a, b):
    """W2 on the line: both clouds' quantiles side by side, mass by mass."""
    x, y = (sorted(zip(points, mass, strict=True)) for points, mass in ((x, a), (y, b)))
    squared, i, j, left, other = 0.0, 0, 0, x[0][1], y[0][1]
    while True:
        moved = min(left, other)
        squared += moved * (x[i][0] - y[j][0]) ** 2
        left, other = left - moved, other - moved
        if left <= other:
            i += 1
            left = x[i][1] if i < len(x) else None
        else:
            j += 1
            other = y[j][1] if j < len(y) else None
        if left is None or other is None:
            return math.sqrt(squared)


def test_weights_are_the_mass_that_is_carried():
    source = torch.Generator().manual_seed(0)
    x, y, a, b = torch.rand(4, 40, generator=source, dtype=torch.float64)
    found = transport(x[:, None], 2 * y[:, None], a, b)
    lists = [part.tolist() for part in (x, 2 * y, a / a.sum(), b / b.sum())]
    assert found.value == pytest.approx(on_the_line(*lists), rel=1e-6)
    # A row of twice the weight is two rows.
    twice = torch.cat([x, x[:10]]), torch.cat([y, y[:10]])
    weight = torch.cat([torch.full((10,), 2.0), torch.ones(30), torch.zeros(10)])
    counted = [points[:, None] for points in twice]
    assert transport(*counted).value == pytest.approx(
        transport(*counted, weight, weight).value, rel=1e-9
    )


@pytest.mark.parametrize("scale", [1.0, 1.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_standard_error_is_that_of_other_clouds(scale, weighted):
    source = torch.Generator().manual_seed(0)
    found = []
    for _ in range(60):
        x, y = torch.randn(2, 150, 2, generator=source, dtype=torch.float64)
        weight = x[:, 0].mul(0.8).exp() if weighted else None
        y = torch.stack([y[:, 0] + (0.8 if weighted else 0), scale * y[:, 1]], 1)
        found.append(transport(x, y, weight, weight))
    values = torch.tensor([estimate.value for estimate in found])
    errors = torch.tensor([estimate.se for estimate in found])
    # Of one density the limit is degenerate, and the error too large.
    assert 0.8 < errors.square().mean().sqrt() / values.std() < (2.0 if scale == 1 else 1.4)
    assert ((values - values.mean()).abs() <= 2 * errors).double().mean() >= 0.9


def test_between_gaussians_it_is_the_closed_form():
    source = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 1000, 1, generator=source, dtype=torch.float64)
    estimate = transport(x, 2 + 1.5 * y)
    assert abs(estimate.value - math.sqrt(2**2 + 0.5**2)) < 3 * estimate.se


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


def test_angles_are_as_far_as_the_shorter_way_round():
    x = torch.rand(60, 2).double() * 2 * math.pi - math.pi
    turned = wrap(x + torch.tensor([0.3, -0.4]))[torch.randperm(60)]
    assert transport(x, turned, circular=[0, 1]).value <= 0.5 + 1e-9
    cost = (x[:, None] - turned).abs()
    cost = torch.minimum(cost, 2 * math.pi - cost).square().sum(2).numpy()
    expected = cost[linear_sum_assignment(cost)].mean()
    found = transport(x, turned, circular=[0, 1]).value
    assert found == pytest.approx(math.sqrt(expected), rel=1e-9)
    assert transport(x, turned).value > found
