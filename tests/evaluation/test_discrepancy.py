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


def weighted_by_hand(x, y, w, h):
    """The mean of H over pairs of different rows, a pair counting by both weights."""
    total = mass = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                mass += w[i] * w[j]
                for a, b, sign in ((x, x, 1), (y, y, 1), (x, y, -1), (y, x, -1)):
                    square = np.sum((a[i] - b[j]) ** 2)
                    total += sign * w[i] * w[j] * math.exp(-square / (2 * h**2))
    return total / mass


def test_weights_count_pairs_of_different_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(25, 2)), rng.normal(0.5, 1.5, size=(25, 2))
    w = rng.exponential(size=25)
    parts = [torch.from_numpy(part) for part in (x, y, w)]
    found = mmd(*parts, bandwidth=0.7, batch_size=7)
    assert found.value == pytest.approx(weighted_by_hand(x, y, w, 0.7), rel=1e-9)
    assert mmd(*parts[:2], 3 * parts[2], bandwidth=0.7).se == pytest.approx(found.se, rel=1e-9)
    even, none = (mmd(*parts[:2], w, bandwidth=0.7) for w in (torch.full((25,), 0.3), None))
    assert even.value == pytest.approx(none.value, rel=1e-9)
    assert even.se == pytest.approx(none.se, rel=1e-9)


def test_rows_without_weight_are_not_there():
    x, y = torch.randn(30, 2), torch.randn(30, 2)
    w = torch.cat([torch.rand(20), torch.zeros(10)])
    full, kept = (mmd(x[:n], y[:n], w[:n], bandwidth=1.0) for n in (30, 20))
    assert full.value == pytest.approx(kept.value, rel=1e-9)
    assert full.se == pytest.approx(kept.se, rel=1e-9)
    few = mmd(x, y, torch.cat([torch.ones(4), torch.zeros(26)]))
    assert math.isfinite(few.value)
    assert math.isnan(few.se)


@pytest.mark.parametrize("offset", [1e4, 1e8])
def test_far_from_the_origin_it_sees_as_much(offset):
    source = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 300, 2, generator=source, dtype=torch.float64)
    near, far = mmd(x, 1.5 * y), mmd(x + offset, 1.5 * y + offset)
    assert far.value == pytest.approx(near.value, rel=1e-5)
    assert far.se == pytest.approx(near.se, rel=1e-5)


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


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_mean_and_error_over_many_draws_of_weighted_rows(shift):
    """Rows of N(0, 1) with the weights of N(0.8, 1), whose effective share is about a half."""
    source = torch.Generator().manual_seed(0)
    estimates = []
    for _ in range(200):
        x = torch.randn(150, 1, generator=source)
        y = torch.randn(150, 1, generator=source) + 0.8 + shift
        estimates.append(mmd(x, y, (0.8 * x[:, 0]).exp(), bandwidth=1.0))
    values = np.array([estimate.value for estimate in estimates])
    exact = closed_form(shift, 1.0)
    # Weights that do not sum to the number of rows bias a quotient by the inverse of that number.
    assert abs(values.mean() - exact) < 4 * values.std(ddof=1) / math.sqrt(200) + 0.005
    errors = np.array([estimate.se for estimate in estimates])
    covered = (np.abs(values - exact) <= 2 * errors).mean()
    assert 0.9 <= covered <= 0.995
    if shift:
        assert math.sqrt((errors**2).mean()) == pytest.approx(values.std(ddof=1), rel=0.15)


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


def test_angles_are_compared_by_the_points_on_their_circles():
    x = torch.rand(40, 2, dtype=torch.float64) * 2 * math.pi - math.pi
    y = x + 0.4 * torch.randn(40, 2, dtype=torch.float64)
    found = mmd(x, y, circular=[1])

    def points(a):
        return torch.stack((a[:, 0], a[:, 1].cos(), a[:, 1].sin()), 1)

    expected = mmd(points(x), points(y))
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    turned = y + torch.tensor([0.0, 2 * math.pi])
    assert mmd(x, turned, circular=[1]).value == pytest.approx(found.value, abs=1e-8)
