from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genlab.evaluation import mmd
from genlab.evaluation.distances import median_distance


def brute_force(x, y, h):
    def k(a, b):
        return math.exp(-np.sum((a - b) ** 2) / (2 * h**2))

    n, total = len(x), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i])
    return total / (n * (n - 1))


def test_brute_force_in_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.normal(0.5, 1.5, size=(30, 2))
    pooled = np.concatenate([x, y])
    distances = [np.linalg.norm(a - b) for i, a in enumerate(pooled) for b in pooled[:i]]
    width = sorted(distances)[(len(distances) - 1) // 2]
    assert median_distance(torch.from_numpy(pooled)) == pytest.approx(width, rel=1e-9)
    estimate = mmd(torch.from_numpy(x), torch.from_numpy(y), batch_size=7)
    assert estimate.value == pytest.approx(brute_force(x, y, width), rel=1e-9)
    fixed = mmd(torch.from_numpy(x), torch.from_numpy(y), bandwidth=0.7)
    assert fixed.value == pytest.approx(brute_force(x, y, 0.7), rel=1e-9)


def closed_form(shift, h):
    """Squared MMD of N(0, 1) and N(shift, 1) under the kernel of width h, in one dimension."""
    scale = h / math.sqrt(h**2 + 2)
    return 2 * scale * (1 - math.exp(-(shift**2) / (2 * (h**2 + 2))))


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
def test_mean_and_error_over_many_draws(shift):
    source = torch.Generator().manual_seed(0)
    estimates = [
        mmd(
            torch.randn(100, 1, generator=source),
            torch.randn(100, 1, generator=source) + shift,
            bandwidth=1.0,
        )
        for _ in range(200)
    ]
    values = np.array([estimate.value for estimate in estimates])
    exact = closed_form(shift, 1.0)
    assert abs(values.mean() - exact) < 4 * values.std(ddof=1) / math.sqrt(200)
    ratio = math.sqrt(np.mean([estimate.se**2 for estimate in estimates])) / values.std(ddof=1)
    if shift:
        assert ratio == pytest.approx(1.0, abs=0.15)
    else:
        assert 0.95 < ratio < 1.6


def test_equal_distributions_are_within_the_error():
    source = torch.Generator().manual_seed(1)
    estimate = mmd(torch.randn(1000, 2, generator=source), torch.randn(1000, 2, generator=source))
    assert abs(estimate.value) < 4 * estimate.se
    far = mmd(torch.randn(1000, 2, generator=source), 1 + torch.randn(1000, 2, generator=source))
    assert far.value > 10 * far.se


def test_coinciding_points():
    x = torch.ones(10, 2)
    assert mmd(x, x).value == 0.0
    assert median_distance(x.double()) == 1.0
    # Duplicates do not make the kernel degenerate.
    x[0] = 4.0
    assert median_distance(x.double()) == pytest.approx(math.sqrt(18))


def test_what_is_not_finite_is_not_a_number():
    x = torch.randn(5, 2)
    assert math.isnan(mmd(x, x * math.inf).value)


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="as many points"):
        mmd(torch.randn(5, 2), torch.randn(6, 2))
    with pytest.raises(ValueError, match="at least 5"):
        mmd(torch.randn(4, 2), torch.randn(4, 2))
