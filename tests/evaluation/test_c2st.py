"""The two-sample test by classifier, where the best accuracy is known."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.batch import Batch
from genlab.densities import StandardNormal
from genlab.evaluation import c2st, evaluate


def test_the_best_accuracy_is_half_of_one_and_the_total_variation(generator):
    x, y = torch.rand(2, 500, 2, generator=generator)
    # Of two unit squares that overlap by a half.
    found = c2st(x, y + torch.tensor([0.5, 0.0]), generator=generator)
    assert found.value == pytest.approx(0.75, abs=0.04)
    assert 0.005 < found.se < 0.02


def test_one_law_is_not_told_apart_and_the_same_call_repeats(generator, global_state):
    x, y = torch.randn(2, 300, 3, generator=generator)
    found = c2st(x, y, generator=torch.Generator().manual_seed(1))
    assert abs(found.value - 0.5) < 3.5 * found.se
    assert c2st(x, y, generator=torch.Generator().manual_seed(1)) == found


def test_it_is_shown_the_context(generator):
    """What ignores a context has the law of what follows it, but for the context."""
    context = torch.randn(300, 1, generator=generator)
    x = context + 0.1 * torch.randn(300, 1, generator=generator)
    right = context + 0.1 * torch.randn(300, 1, generator=generator)
    blind = 1.005 * torch.randn(300, 1, generator=generator)
    assert c2st(x, blind, context=context, generator=generator).value > 0.8
    # A pair torn apart would give itself away: less than a half would be right.
    found = c2st(x, right, context=context, generator=generator)
    assert abs(found.value - 0.5) < 3.5 * found.se


def test_pairs_count_by_their_weight(generator):
    """Rows of N(0, 1) with the weights of N(1, 1)."""
    x = torch.randn(600, 1, generator=generator)
    y = 1 + torch.randn(600, 1, generator=generator)
    plain = c2st(x, y, generator=generator)
    weighted = c2st(x, y, x[:, 0].exp(), generator=generator)
    assert plain.value > 0.6
    assert abs(weighted.value - 0.5) < 3.5 * weighted.se
    assert weighted.se > plain.se


def test_angles_are_known_up_to_turns(generator):
    x, y = 2 * math.pi * torch.rand(2, 200, 2, generator=generator)
    y[:, 0] += 2 * math.pi
    assert c2st(x, y, generator=generator).value > 0.9
    found = c2st(x, y, circular=[0], generator=generator)
    assert abs(found.value - 0.5) < 3.5 * found.se


def test_what_cannot_be_compared(generator):
    x = torch.randn(20, 2)
    assert math.isnan(c2st(x, x * math.inf, generator=generator).value)
    with pytest.raises(ValueError, match="as many points"):
        c2st(x, x[:10], generator=generator)
    with pytest.raises(ValueError, match="at least 5"):
        c2st(x[:4], x[:4], generator=generator)


def test_it_is_a_metric_where_there_are_enough_pairs(generator, monkeypatch):
    monkeypatch.setattr("genlab.evaluation.suite.samples_per_second", lambda *_, **__: 1.0)
    for rows, told in ((240, True), (160, False)):
        test = Batch(3 + torch.randn(rows, 2))
        metrics = evaluate(StandardNormal((2,)), test=test, target=None, generator=generator)
        assert ("test/c2st/se" in metrics) is told
    assert "test/c2st" not in metrics
