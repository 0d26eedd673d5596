from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genlab.evaluation import estimate_mean
from genlab.evaluation.estimate import estimate_of_means


def test_without_weights_it_is_the_mean_and_its_usual_error():
    values = np.random.default_rng(0).normal(3, 2, 1000)
    estimate = estimate_mean(torch.from_numpy(values))
    assert estimate.value == pytest.approx(values.mean(), rel=1e-12)
    assert estimate.se == pytest.approx(values.std(ddof=1) / math.sqrt(1000), rel=1e-12)


def test_equal_weights_change_nothing():
    values = torch.randn(100)
    plain, weighted = estimate_mean(values), estimate_mean(values, torch.full((100,), 0.3))
    assert weighted.value == pytest.approx(plain.value, rel=1e-6)
    assert weighted.se == pytest.approx(plain.se, rel=1e-6)


def test_the_error_is_that_of_kish_effective_sample():
    values = np.random.default_rng(0).normal(size=500)
    weight = np.random.default_rng(1).exponential(size=500)
    mean = np.average(values, weights=weight)
    kish = weight.sum() ** 2 / (weight**2).sum()
    variance = np.average((values - mean) ** 2, weights=weight) * kish / (kish - 1)
    estimate = estimate_mean(torch.from_numpy(values), torch.from_numpy(weight))
    assert estimate.value == pytest.approx(mean, rel=1e-12)
    assert estimate.se == pytest.approx(math.sqrt(variance / kish), rel=1e-12)


def test_weighted_errors_cover_the_truth():
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(400):
        estimate = estimate_mean(
            torch.from_numpy(rng.normal(size=50)), torch.from_numpy(rng.exponential(size=50))
        )
        scores.append(estimate.value / estimate.se)
    assert np.std(scores) == pytest.approx(1.0, abs=0.15)


def test_float32_values_are_summed_in_float64():
    values = torch.full((1_000_000,), 1e4) + torch.tensor([0.0, 1.0]).repeat(500_000)
    assert estimate_mean(values).value == pytest.approx(10000.5, abs=1e-9)


def test_infinities_are_told_and_weightless_samples_are_not():
    assert estimate_mean(torch.tensor([1.0, math.inf])).value == math.inf
    assert estimate_mean(torch.tensor([1.0, math.inf])).se == math.inf
    assert math.isnan(estimate_mean(torch.tensor([1.0, math.nan])).value)
    kept = estimate_mean(torch.tensor([1.0, 3.0, math.inf]), torch.tensor([1.0, 1.0, 0.0]))
    assert kept.value == 2.0
    assert kept.se == pytest.approx(1.0)


def test_one_sample_has_no_error():
    estimate = estimate_mean(torch.tensor([2.0]))
    assert estimate.value == 2.0
    assert math.isnan(estimate.se)


def test_no_weight_is_refused():
    with pytest.raises(ValueError, match="positive weight"):
        estimate_mean(torch.tensor([1.0]), torch.tensor([0.0]))
    with pytest.raises(ValueError, match="positive weight"):
        estimate_mean(torch.empty(0))


def test_of_the_mean_itself_it_is_the_usual_error():
    values = torch.randn(200, dtype=torch.float64)
    plain, found = estimate_mean(values), estimate_of_means(lambda mean: mean, values)
    assert found.value == pytest.approx(plain.value)
    assert found.se == pytest.approx(plain.se)


def test_errors_of_functions_of_several_means_cover_the_truth():
    """The ratio of a variance to an independent mean, true value 4 / 2."""
    scores = []
    for _ in range(400):
        x, y = 2 * torch.randn(200).double(), 2 + torch.randn(100).double()
        found = estimate_of_means(
            lambda m, mean: (m[1] - m[0].square()) / mean, torch.stack([x, x.square()], 1), y
        )
        scores.append((found.value - 2) / found.se)
    assert np.std(scores) == pytest.approx(1, abs=0.12)
    assert abs(np.mean(scores)) < 0.25


def test_a_single_row_has_no_error():
    assert math.isnan(estimate_of_means(lambda mean: mean[0], torch.ones(1, 2).double()).se)


def test_errors_of_groups_are_those_of_their_means():
    """Of groups of one size: the mean of each is one independent number."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 7)) + 3 * rng.normal(size=(40, 1))
    order = rng.permutation(280)
    group = torch.from_numpy(np.repeat(np.arange(40) ** 2, 7)[order])
    found = estimate_mean(torch.from_numpy(values.reshape(-1)[order]), groups=group)
    means = values.mean(1)
    assert found.value == pytest.approx(means.mean(), rel=1e-12)
    assert found.se == pytest.approx(means.std(ddof=1) / math.sqrt(40), rel=1e-12)


def test_weights_count_in_groups_and_one_group_has_no_error():
    values, weight = torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([2.0, 1.0, 1.0, 0.0])
    group = torch.tensor([5, 5, 9, 7])
    found = estimate_mean(values, weight, group)
    assert found.value == pytest.approx(2.0)
    # Sums of w (v - m) are -2 and 2 of the two groups that count, and the whole weight is 4.
    assert found.se == pytest.approx(math.sqrt(2 * 8) / 4)
    assert math.isnan(estimate_mean(values, groups=torch.zeros(4, dtype=torch.long)).se)
