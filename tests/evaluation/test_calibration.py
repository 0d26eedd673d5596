"""Ranks of true samples under the exact posterior of a linear simulator, and wrong ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

import genlab
from genlab.batch import Batch
from genlab.densities import Density
from genlab.evaluation import Calibration, calibrate, evaluate
from genlab.evaluation.calibration import distance_ranks, ranks_among, reference_points

RESPONSE = torch.tensor([[1.0, 0.5], [0.0, 1.0], [0.5, -1.0]])
NOISE = 0.5


class Posterior(Density):
    """Of two numbers of N(0, I) given three of ``A x + noise``, or what is wrong with it."""

    def __init__(self, *, spread=1.0, shift=0.0, blind=False):
        super().__init__((2,), context_dim=3)
        self.one = nn.Parameter(torch.ones(()))
        self.spread, self.shift, self.blind = spread, shift, blind
        precision = torch.eye(2) + RESPONSE.T @ RESPONSE / NOISE**2
        self.gain = torch.linalg.solve(precision, RESPONSE.T / NOISE**2)
        self.root = torch.linalg.cholesky(torch.linalg.inv(precision))

    def _log_prob(self, x, context):
        return -x.square().sum(1)

    def _sample(self, n, context, generator):
        noise = torch.randn(n, 2, generator=generator)
        if self.blind:
            return noise
        return context @ self.gain.T + (self.shift + self.spread * noise) @ self.root.T


def simulated(n, generator):
    x = torch.randn(n, 2, generator=generator)
    return Batch(x, x @ RESPONSE.T + NOISE * torch.randn(n, 3, generator=generator))


def found(model, n, generator):
    result = calibrate(model, simulated(n, generator), generator=generator)
    assert result is not None
    return result


def test_the_exact_posterior_is_calibrated(generator, global_state):
    every = [found(Posterior(), 250, generator) for _ in range(60)]
    for name in ("sbc", "tarp"):
        values = np.array([getattr(one, name).value for one in every])
        errors = np.array([getattr(one, name).se for one in every])
        assert abs(values.mean()) < 3.5 * values.std(ddof=1) / math.sqrt(60), name
        # That of pairs is too large where all is right.
        assert 0.75 < np.sqrt((errors**2).mean()) / values.std(ddof=1) < 1.6, name
    # Under a chance of one in a thousand: the p-values of TARP are uniform.
    assert scipy.stats.kstest([one.tarp_p_value for one in every], "uniform").pvalue > 1e-3
    assert np.mean([one.sbc_p_value < 0.1 for one in every]) < 0.25


@pytest.mark.parametrize(
    ("wrong", "sign", "seen"),
    [
        ({"spread": 0.8}, -1, {"sbc", "tarp"}),
        ({"spread": 1.3}, 1, {"sbc", "tarp"}),
        ({"shift": 0.5}, 0, {"sbc"}),
        # Draws and truths are of one law: no coordinate by itself can tell.
        ({"blind": True}, -1, {"tarp"}),
    ],
)
def test_what_is_wrong_is_seen(wrong, sign, seen, generator):
    result = found(Posterior(**wrong), 1000, generator)
    if "sbc" in seen:
        assert result.sbc.value > 3 * result.sbc.se
        assert result.sbc_p_value < 1e-6
    else:
        assert abs(result.sbc.value) < 3 * result.sbc.se
        assert result.sbc_p_value > 1e-3
    if "tarp" in seen:
        assert sign * result.tarp.value > 3 * result.tarp.se
        assert result.tarp_p_value < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        lambda: genlab.models.RealNVP(2, context_dim=3, layers=4, hidden=[32, 32]),
        lambda: genlab.models.NSF(2, context_dim=3, layers=2, hidden=[32, 32]),
        lambda: genlab.models.GMM(2, context_dim=3, components=2),
    ],
    ids=["realnvp", "nsf", "gmm"],
)
def test_after_a_short_fit_three_families_are_calibrated(model, generator):
    learned = simulated(20_000, generator)
    fitted = genlab.fit(model(), learned.x, learned.context, steps=800, lr=3e-3)
    result = found(fitted, 1000, generator)
    print(result.sbc, result.sbc_p_value, result.tarp, result.tarp_p_value)
    assert abs(result.sbc.value) < 3 * result.sbc.se
    assert abs(result.tarp.value) < 3 * result.tarp.se
    assert min(result.sbc_p_value, result.tarp_p_value) > 0.01
    levels, covered = result.coverage()
    errors = (levels * (1 - levels) / result.rows).sqrt()
    assert ((covered - levels).abs() < 3 * errors).all()


def test_numbers_by_hand():
    ranks = torch.randint(40, (400, 3))
    result = Calibration(ranks, ranks[:, 0], 39)
    counts = np.stack([np.bincount(column // 2, minlength=20) for column in ranks.T.numpy()])
    tests = [scipy.stats.chisquare(row) for row in counts]
    # Pearson's statistic has the mean (n - 1) chi^2 + k - 1.
    divergences = [(test.statistic - 19) / 399 for test in tests]
    assert result.sbc.value == pytest.approx(np.mean(divergences))
    assert result.sbc_p_value == pytest.approx(min(1, 3 * min(test.pvalue for test in tests)))
    assert result.tarp_p_value == pytest.approx(tests[0].pvalue)
    assert result.histogram().numpy() == pytest.approx(counts / 400)
    f = (ranks[:, 0].numpy() + 0.5) / 40
    assert result.tarp.value == pytest.approx(0.5 - np.abs(2 * f - 1).mean())
    levels, covered = result.coverage()
    assert covered[9].item() == pytest.approx((f < levels[9].item()).mean())


@pytest.mark.parametrize("draws", [1, 12, 30, 100])
def test_ranks_that_divide_unevenly_are_calibrated_too(draws, generator):
    ranks = torch.randint(draws + 1, (3000, 2), generator=generator)
    result = Calibration(ranks, ranks[:, 0], draws)
    assert abs(result.sbc.value) < 4 * result.sbc.se
    assert min(result.sbc_p_value, result.tarp_p_value) > 1e-3
    k = result.bins
    assert k == max(b for b in (20, 10, 8, 5, 4, 2) if b <= draws + 1)
    counts = np.histogram(ranks[:, 0], bins=[math.ceil(i * (draws + 1) / k) for i in range(k + 1)])
    each = np.bincount(np.arange(draws + 1) * k // (draws + 1)) / (draws + 1)
    test = scipy.stats.chisquare(counts[0], 3000 * each)
    assert result.tarp_p_value == pytest.approx(test.pvalue)
    every = torch.arange(draws + 1)
    assert Calibration(every[:, None], every, draws).tarp.value == pytest.approx(0, abs=1e-12)


def test_the_ends_of_the_scale():
    """Truths outside of all draws, and truths in the middle of each."""
    outside = Calibration(torch.zeros(100, 1, dtype=torch.long), torch.tensor([0, 39] * 50), 39)
    assert outside.tarp.value == pytest.approx(-0.475)
    assert outside.sbc.value == pytest.approx(outside.bins - 1)
    inside = torch.full((100,), 20)
    assert Calibration(inside[:, None], inside, 39).tarp.value == pytest.approx(0.475)


def test_rows_count_by_their_weight(generator):
    ranks, weight = torch.randint(40, (300, 2), generator=generator), torch.rand(300)
    kept = weight > 0.5
    weight[~kept] = 0
    weighted = Calibration(ranks, ranks[:, 0], 39, weight)
    alone = Calibration(ranks[kept], ranks[kept, 0], 39, 3 * weight[kept])
    for name in ("sbc", "tarp"):
        a, b = getattr(weighted, name), getattr(alone, name)
        assert (a.value, a.se) == pytest.approx((b.value, b.se)), name
    assert weighted.tarp_p_value == pytest.approx(alone.tarp_p_value)
    assert weighted.coverage()[1].numpy() == pytest.approx(alone.coverage()[1].numpy())


def test_rows_that_count_less_than_nothing_are_no_law(generator):
    test = simulated(200, generator)
    weight = torch.ones(200)
    weight[3] = -1
    assert calibrate(Posterior(), test._replace(weight=weight), generator=generator) is None


def test_a_law_that_weights_make_is_the_truth(generator):
    """Rows of a wide prior, weighted to N(0, I), whose posterior the model is."""
    x = 2 * torch.randn(4000, 2, generator=generator)
    context = x @ RESPONSE.T + NOISE * torch.randn(4000, 3, generator=generator)
    weight = (-0.5 * x.square().sum(1) * (1 - 1 / 2**2)).exp()
    result = calibrate(Posterior(), Batch(x, context, weight), generator=generator)
    assert abs(result.sbc.value) < 3 * result.sbc.se
    assert abs(result.tarp.value) < 3 * result.tarp.se
    assert 300 < result.rows < 600
    plain = calibrate(Posterior(), Batch(x, context), generator=generator)
    assert plain.sbc_p_value < 1e-3


def test_among_equal_draws_any_place_is_as_likely(generator):
    draws = torch.randint(3, (39, 2000, 2), generator=generator).float()
    truth = torch.randint(3, (2000, 2), generator=generator).float()
    ranks = ranks_among(draws, truth, generator=generator)
    less, equal = (draws < truth).sum(0), (draws == truth).sum(0)
    assert ((less <= ranks) & (ranks <= less + equal)).all()
    assert Calibration(ranks, ranks[:, 0], 39).sbc_p_value > 1e-3


def test_distances_by_hand(generator):
    draws, truth = torch.randn(7, 20, 3, generator=generator), torch.randn(20, 3)
    truth[:, 2] = 1.0  # a constant has no unit
    reference = torch.randn(20, 3, generator=generator)
    ranks = distance_ranks(draws, truth, reference, [1], generator=generator)
    std = truth.numpy().std(0)
    scale = np.where(std > 0, std, 1)

    def distance(a, b):
        way = (a - b).numpy()
        way[1] = (way[1] + math.pi) % (2 * math.pi) - math.pi
        return np.linalg.norm(way / scale)

    for i in range(20):
        own = distance(truth[i], reference[i])
        assert ranks[i] == sum(distance(draw[i], reference[i]) < own for draw in draws)
    turned = truth + torch.tensor([0.0, 2 * math.pi, 0.0])
    again = distance_ranks(draws, turned, reference, [1], generator=generator)
    assert (again - ranks).abs().max() <= 1


def test_reference_points_follow_the_context_and_are_no_truth_of_their_row(generator):
    test = simulated(2000, generator)
    points = reference_points(test.x, test.context, generator=generator)
    assert np.corrcoef(points[:, 0], test.x[:, 0])[0, 1] > 0.4
    posterior_mean = test.context @ Posterior().gain.T
    residual = test.x - posterior_mean
    assert abs(np.corrcoef(points[:, 0], residual[:, 0])[0, 1]) < 4 / math.sqrt(2000)


class Classes(Density):
    """N(c, 1) of a class c."""

    def __init__(self):
        super().__init__((1,), labels=3)
        self.one = nn.Parameter(torch.ones(()))

    def _log_prob(self, x, context):
        return -x.flatten(1).square().sum(1)

    def _sample(self, n, context, generator):
        return context.argmax(1)[:, None] + torch.randn(n, 1, generator=generator)


def test_labels_are_contexts_too(generator):
    labels = torch.randint(3, (800,), generator=generator)
    x = labels[:, None] + torch.randn(800, 1, generator=generator)
    result = calibrate(Classes(), Batch(x, labels), generator=generator)
    assert min(result.sbc_p_value, result.tarp_p_value) > 1e-3
    narrow = calibrate(Classes(), Batch(1.5 * x, labels), generator=generator)
    assert narrow.sbc_p_value < 1e-3


def test_of_slow_samples_there_are_fewer_and_of_few_rows_there_is_nothing(generator):
    model = Posterior()
    test = simulated(1500, generator)
    assert len(calibrate(model, test, generator=generator).distance) == 1000
    model.test_samples = 10_000
    assert len(calibrate(model, test, generator=generator).distance) == 256
    assert calibrate(model, test.rows(slice(19)), generator=generator) is None
    few = calibrate(model, test.rows(slice(20)), generator=generator)
    assert few.bins == 2
    assert math.isfinite(few.sbc.se)
    with pytest.raises(ValueError, match="given a context"):
        calibrate(genlab.models.RealNVP(2), Batch(test.x), generator=generator)


def test_they_are_metrics_of_conditional_models_of_vectors(generator, monkeypatch):
    monkeypatch.setattr("genlab.evaluation.suite.samples_per_second", lambda *_, **__: 1.0)
    monkeypatch.setattr("genlab.evaluation.suite.CLASSIFIED", 0)
    tags = {"test/sbc", "test/sbc/se", "test/sbc/p_value"}
    tags |= {tag.replace("sbc", "tarp") for tag in tags}

    def measured(model, test):
        metrics = evaluate(model, test=test, target=None, generator=generator, w2_points=20)
        return {tag: value for tag, value in metrics.items() if tag in tags}

    test = simulated(200, generator)
    assert measured(Posterior(), test).keys() == tags
    assert not measured(genlab.models.RealNVP(2), Batch(test.x))
    lost = measured(Posterior(shift=math.nan), test)
    assert lost.keys() == tags
    assert all(math.isnan(value) for value in lost.values())
