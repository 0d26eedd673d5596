"""Importance weights against closed forms between Gaussians."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import torch

from genlab.batch import effective_fraction
from genlab.evaluation import effective_sample_size, log_partition, weighted_samples
from genlab.evaluation.importance import drawn_by_weight, resampled
from genlab.targets import Target


class Bowl(Target):
    """``e^{-|x - mean|^2 / 2 s^2}`` in the plane, whose integral nobody tells."""

    log_z = None
    mean, scale = 0.3, 0.8

    def energy(self, x):
        return (x - self.mean).square().sum(1) / (2 * self.scale**2)


LOG_Z = math.log(2 * math.pi * Bowl.scale**2)


def fraction(mean, scale):
    """``1 / E_p[p / q]`` for the bowl's density p and ``q = N(mean, scale^2 I)``.

    Along one axis, with the precisions P and Q and the distance d of the means,
    ``int p^2 / q = P / sqrt(Q (2P - Q)) exp(P Q d^2 / (2P - Q))``.
    """
    p, q, distance = 1 / Bowl.scale**2, 1 / scale**2, Bowl.mean - mean
    both = 2 * p - q
    return (math.sqrt(q * both) / p * math.exp(-p * q * distance**2 / both)) ** 2


def test_equal_weights_are_all_effective():
    for log_weight in (torch.zeros(50), torch.full((50,), -1e4), torch.full((50,), 800.0)):
        assert effective_fraction(log_weight).item() == pytest.approx(1)
        estimate = effective_sample_size(log_weight)
        assert (estimate.value, estimate.se) == (pytest.approx(1), pytest.approx(0, abs=1e-9))
        assert log_partition(log_weight).value == pytest.approx(log_weight[0].item())


def test_one_weight_above_all_others_is_one_sample():
    log_weight = torch.cat([torch.zeros(49), torch.tensor([200.0])])
    assert effective_fraction(log_weight).item() == pytest.approx(1 / 50)
    half = torch.cat([torch.zeros(25), torch.full((25,), -math.inf)])
    assert effective_sample_size(half).value == pytest.approx(0.5)
    assert log_partition(half).value == pytest.approx(math.log(0.5))


@pytest.mark.parametrize(("mean", "scale"), [(0.3, 0.8), (0.0, 1.0), (0.5, 0.7)])
def test_ess_and_log_z_of_gaussians(affine_flow, generator, global_state, mean, scale):
    flow = affine_flow([mean, mean], [scale, scale])
    _, log_weight = weighted_samples(flow, Bowl(), 40_000, generator=generator)
    ess, log_z = effective_sample_size(log_weight), log_partition(log_weight)
    assert abs(ess.value - fraction(mean, scale)) < 4 * ess.se + 1e-6
    assert abs(log_z.value - LOG_Z) < 4 * log_z.se + 1e-6


def test_the_standard_errors_are_those_of_repetitions(affine_flow):
    flow, source = affine_flow([0.0, 0.0], [1.0, 1.0]), torch.Generator().manual_seed(0)
    runs = [weighted_samples(flow, Bowl(), 1000, generator=source).log_weight for _ in range(200)]
    for estimator in (effective_sample_size, log_partition):
        estimates = [estimator(log_weight) for log_weight in runs]
        spread = torch.tensor([estimate.value for estimate in estimates]).std().item()
        mean_error = sum(estimate.se for estimate in estimates) / len(estimates)
        assert mean_error == pytest.approx(spread, rel=0.2)


def by_hand(w):
    """The jackknife, weight by weight."""
    n = len(w)
    left = [(sum(w) - x) ** 2 / (sum(v**2 for v in w) - x**2) / (n - 1) for x in w]
    mean = sum(left) / n
    return math.sqrt((n - 1) / n * sum((one - mean) ** 2 for one in left))


def test_light_weights_have_the_error_of_the_jackknife():
    w = torch.rand(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1
    assert effective_sample_size(w.log()).se == pytest.approx(by_hand(w.tolist()), rel=1e-9)


def test_one_weight_above_all_others_has_an_error_as_large_as_what_it_hides():
    rest = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    without = effective_sample_size(rest).value
    for height in (10.0, 40.0, 400.0):
        estimate = effective_sample_size(torch.cat([rest, torch.tensor([height])]))
        assert estimate.se == pytest.approx(without - estimate.value, rel=0.1)
    assert math.isnan(effective_sample_size(torch.tensor([0.0, -math.inf, -math.inf])).se)


def test_two_standard_errors_cover_the_truth_under_heavy_weights():
    path = Path(__file__).parents[2] / "scripts/coverage.py"
    spec = importlib.util.spec_from_file_location("coverage", path)
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    cases = [case for case in study.cases(30) if case.metric == "test/ess"]
    found = [case.judge(study.NOW) for case in cases]
    told = study.summary(found[:90])
    assert told["reliable"] >= 85
    assert 0.9 <= told["covered"] <= 0.99
    # No estimate is far off that Pareto k does not mark.
    assert study.summary(found)["far"] == study.summary(found)["marked"]


def test_resampled_proposals_follow_the_target(affine_flow, generator):
    flow = affine_flow([0.0, 0.0], [1.5, 1.5])
    x = resampled(flow, Bowl(), 40_000, generator=generator)
    assert x.mean(0).tolist() == pytest.approx([Bowl.mean] * 2, abs=0.03)
    assert x.std(0).tolist() == pytest.approx([Bowl.scale] * 2, rel=0.03)


def test_a_likelihood_that_is_no_density_gives_no_weights(noisy_flow, generator):
    from genlab.evaluation import evaluate

    flow = noisy_flow([0.0, 0.0], [1.0, 1.0])
    metrics = evaluate(flow, test=None, target=Bowl(), generator=generator)
    assert set(metrics) == {"model/parameters", "time/samples_per_second"}


def test_what_a_target_without_samples_is_measured_by(affine_flow, generator):
    from genlab.evaluation import evaluate

    flow = affine_flow([0.3, 0.3], [0.8, 0.8])
    metrics = evaluate(flow, test=None, target=Bowl(), generator=generator)
    assert set(metrics) == {
        "model/parameters",
        "test/ess",
        "test/ess/pareto_k",
        "test/ess/se",
        "test/inverse_error",
        "test/log_z",
        "test/log_z/se",
        "time/samples_per_second",
    }
    assert metrics["test/ess"] == pytest.approx(1)
    assert metrics["test/log_z"] == pytest.approx(LOG_Z)


def test_rows_drawn_by_weight_come_as_often_as_they_count(generator):
    weight = torch.tensor([0.0, 0.3, 2.2, 0.0, 1.5])
    expected = 1000 * weight / weight.sum()
    rows = drawn_by_weight(weight, 1000, generator=generator)
    counts = torch.bincount(rows, minlength=5)
    assert ((counts - expected).abs() < 1).all()
    assert counts[0] == counts[3] == 0
    # In no order: neighbours differ as often as independent ones would.
    p = weight / weight.sum()
    differ = (rows[1:] != rows[:-1]).double().mean().item()
    assert differ == pytest.approx(1 - p.square().sum().item(), abs=0.06)
    # Without bias: one draw of few rows takes each of them by its share.
    singles = torch.cat([drawn_by_weight(weight, 1, generator=generator) for _ in range(4000)])
    torch.testing.assert_close(singles.bincount(minlength=5) / 4000, p, atol=0.03, rtol=0)
