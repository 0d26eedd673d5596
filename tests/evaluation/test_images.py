"""Scores of images against closed forms, and the classifier that they are taken with."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from genlab.batch import Batch
from genlab.densities import Density
from genlab.evaluation import classifier as classifiers
from genlab.evaluation.classifier import classifier_of
from genlab.evaluation.distances import frechet_distance, precision_and_recall
from genlab.evaluation.images import restoration
from genlab.evaluation.likelihood import bayes_accuracy


def whitened(n: int, d: int) -> torch.Tensor:
    """A cloud whose sample mean is 0 and whose sample covariance is the identity."""
    x = torch.randn(n, d, dtype=torch.float64)
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(torch.atleast_2d(torch.cov(x.T)))).T


def test_the_frechet_distance_is_that_of_gaussians() -> None:
    a, b = torch.tril(torch.rand(4, 4).double()) + torch.eye(4), torch.diag(torch.rand(4).double())
    x, y = whitened(200, 4) @ a.T, whitened(300, 4) @ b.T + 1.5
    first, second = a @ a.T, b @ b.T
    values = torch.linalg.eigvals(first @ second).real.sqrt().sum()
    expected = 4 * 1.5**2 + first.trace() + second.trace() - 2 * values
    assert frechet_distance(x, y) == pytest.approx(float(expected))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    # In one dimension (m - m')^2 + (s - s')^2.
    z = whitened(100, 1)
    assert frechet_distance(2 * z + 1, 5 * z) == pytest.approx(1 + 9)


def test_precision_falls_for_bad_samples_and_recall_for_missing_ones() -> None:
    truth = torch.cat((torch.randn(300, 2), torch.randn(300, 2) + 20))
    one_mode = torch.randn(600, 2)
    precision, recall = precision_and_recall(truth, one_mode)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.05)
    half_bad = torch.cat((truth[::2] + 1e-6, torch.randn(300, 2) - 50))
    precision, recall = precision_and_recall(truth, half_bad)
    assert precision == pytest.approx(0.5, abs=0.02)
    assert recall > 0.9


@pytest.mark.parametrize("offset", [1e4, 1e8])
def test_far_from_the_origin_the_scores_are_the_same(offset: float) -> None:
    x, y = torch.randn(300, 3).double(), 1.5 * torch.randn(300, 3).double()
    assert precision_and_recall(x + offset, y + offset) == precision_and_recall(x, y)
    far = frechet_distance(x + offset, y + offset)
    assert far == pytest.approx(frechet_distance(x, y), rel=1e-6)
    features = (x + 1e4).float(), (y + 1e4).float()
    assert precision_and_recall(*features) == pytest.approx(precision_and_recall(x, y), abs=0.01)


def test_a_classifier_learns_once_the_same_from_the_same_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(classifiers, "STEPS", 150)
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).float()[:, None] / 17
    labels = torch.from_numpy(bunch.target).long()
    before = torch.get_rng_state()
    first = classifier_of(Batch(x[:1400], labels[:1400]))
    assert torch.equal(before, torch.get_rng_state())
    assert first.accuracy(Batch(x[1400:], labels[1400:])) > 0.8
    assert len(list((tmp_path / "classifiers").iterdir())) == 1
    again = classifier_of(Batch(x[:1400], labels[:1400]))
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.features(x), first.features(x))
    monkeypatch.setattr(classifiers, "STEPS", 1)
    other = classifier_of(Batch(x[:1300], labels[:1300]))
    assert other.fingerprint != first.fingerprint


class Classes(Density):
    """``N(x; 2 c, 1)`` for class c of two."""

    def __init__(self) -> None:
        super().__init__((1,), labels=2)
        self.one = nn.Parameter(torch.ones(()))

    def _log_prob(self, x, context):
        return -0.5 * (x[:, 0] - 2 * context[:, 1]).square() - 0.5 * math.log(2 * math.pi)

    def _sample(self, n, context, generator):
        return torch.randn(n, 1, generator=generator) + 2 * context[:, 1:]


def test_bayes_rule_is_as_right_as_the_closed_form_says() -> None:
    labels = (torch.rand(2000) < 0.25).long()
    x = torch.randn(2000, 1) + 2 * labels[:, None]
    accuracy = bayes_accuracy(
        Classes(),
        Batch(x, labels),
        labels,
        generator=torch.Generator().manual_seed(0),
        batch_size=500,
    )
    # The boundary 1 + log(3) / 2 lies where 3 N(x; 0) = N(x; 2).
    edge = 1 + math.log(3) / 2
    phi = torch.distributions.Normal(0.0, 1.0).cdf
    expected = 0.75 * float(phi(torch.tensor(edge))) + 0.25 * float(phi(torch.tensor(2 - edge)))
    assert abs(accuracy.value - expected) < 4 * accuracy.se
    assert accuracy.se == pytest.approx(math.sqrt(expected * (1 - expected) / 2000), rel=0.1)


class Enlarger(Density):
    """Gives what it is given, each number four times, and a tenth more."""

    def __init__(self) -> None:
        super().__init__((1, 4, 4), context_dim=4)
        self.one = nn.Parameter(torch.ones(()))

    def _log_prob(self, x, context):
        return x.flatten(1).sum(1)

    def _sample(self, n, context, generator):
        small = context.view(n, 1, 2, 2)
        return small.repeat_interleave(2, 2).repeat_interleave(2, 3) + 0.1


def test_restoration_counts_decibels_and_what_does_not_add_up() -> None:
    truth = torch.full((10, 1, 4, 4), 0.5)
    numbers = restoration(
        Enlarger(),
        Batch(truth, torch.full((10, 4), 0.5)),
        lambda x: torch.nn.functional.avg_pool2d(x, 2).flatten(1),
        generator=torch.Generator().manual_seed(0),
        batch_size=5,
    )
    assert numbers["test/psnr"].value == pytest.approx(20, abs=1e-4)
    assert numbers["test/consistency"].value == pytest.approx(0.1, abs=1e-6)
