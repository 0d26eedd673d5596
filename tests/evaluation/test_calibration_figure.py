from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

import genlab
from genlab.evaluation import Calibration
from genlab.evaluation.figures import calibration_figure, draw
from genlab.evaluation.figures.calibration import binomial_band


@pytest.mark.parametrize("n", [20, 1000])
def test_the_band_is_the_binomial_one(n):
    p = torch.tensor([0.05, 0.5, 0.975])
    for ours, level in zip(binomial_band(n, p), (0.005, 0.995), strict=True):
        assert ours.numpy() == pytest.approx(scipy.stats.binom.ppf(level, n, p.numpy()))


def test_ranks_of_a_right_model_are_in_the_band_and_others_are_seen():
    ranks = torch.randint(40, (1000, 7))
    found = Calibration(ranks, torch.where(torch.rand(1000) < 0.5, 0, 39), 39)
    left, right = calibration_figure(found, names=list("abcdefg"), shown=[6, 2]).axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["g", "c"]
    heights = [patch.get_data().values for patch in left.patches if hasattr(patch, "get_data")]
    assert len(heights) == 2
    low, high = (20 * bound.item() / 1000 for bound in binomial_band(1000, torch.tensor([0.05])))
    outside = np.mean([(h < low) | (h > high) for h in heights])
    assert outside < 0.1
    curve = right.lines[-1].get_ydata()
    assert np.allclose(curve, curve[0])
    assert 0.4 < curve[0] < 0.6


def test_bins_of_unlike_numbers_of_ranks_are_as_high():
    every = torch.arange(31).repeat(100)
    left, _ = calibration_figure(Calibration(every[:, None], every, 30)).axes
    heights, edges, _ = left.patches[0].get_data()
    assert heights == pytest.approx(np.ones(20))
    assert edges == pytest.approx([np.ceil(31 * i / 20) / 31 for i in range(21)])


@pytest.mark.parametrize("family", [genlab.models.RealNVP, genlab.models.GMM])
def test_conditional_models_of_vectors_have_it(family, generator):
    x, context = torch.randn(60, 2), torch.randn(60, 1)
    figures = draw(
        family(2, context_dim=1).eval(), target=None, samples=x, context=context,
        weight=torch.rand(60), generator=generator,
    )  # fmt: skip
    assert "calibration" in figures
    plain = draw(family(2).eval(), target=None, samples=x, generator=generator)
    assert "calibration" not in plain
