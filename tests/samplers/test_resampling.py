"""Resampling has the frequencies that the weights ask for, and survives their rounding."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from genlab.samplers.weights import RESAMPLING, importance_weights

WEIGHTS = torch.tensor([0.1, 0.0, 2.0, 0.7, 1.2, 0.0], dtype=torch.float64)


def counts(way: str, m: int, seed: int) -> Tensor:
    chosen = RESAMPLING[way](WEIGHTS, m, generator=torch.Generator().manual_seed(seed))
    assert chosen.shape == (m,)
    return chosen.bincount(minlength=len(WEIGHTS)).double()


def test_multinomial_frequencies() -> None:
    m = 40_000
    expected = m * WEIGHTS / WEIGHTS.sum()
    observed = counts("multinomial", m, 0)
    some = expected > 0
    assert not observed[~some].any()
    statistic = ((observed - expected).square() / expected)[some].sum()
    low, high = chi2.ppf([1e-3, 1 - 1e-3], int(some.sum()) - 1)
    assert low < statistic < high


def test_systematic_frequencies() -> None:
    m, times = 7, 1000
    expected = m * WEIGHTS / WEIGHTS.sum()
    observed = torch.stack([counts("systematic", m, seed) for seed in range(times)])
    assert (observed >= expected.floor()).all()
    assert (observed <= expected.ceil()).all()
    # Each number of copies is the floor plus a Bernoulli variable.
    part = expected.frac()
    some = part > 0
    z = (observed.mean(0) - expected) / (part * (1 - part) / times).sqrt()
    assert z[some].abs().max() < 4


@pytest.mark.parametrize("way", RESAMPLING)
def test_no_index_is_too_large_and_none_has_no_weight(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The largest number that `rand` returns: (m - 1 + u) / m is rounded to 1.
    below = 1 - 2.0**-53
    monkeypatch.setattr(
        torch, "rand", lambda n, **options: torch.full((n,) if n else (), below, **_type(options))
    )
    weights = torch.full((1000,), 0.1, dtype=torch.float64)
    weights[-3:] = 0
    chosen = RESAMPLING[way](weights, 777, generator=torch.Generator())
    assert chosen.max() == 996


def _type(options: dict[str, object]) -> dict[str, object]:
    return {"dtype": options["dtype"]}


def test_weights_are_normalised_whatever_their_scale() -> None:
    h = torch.tensor([1.0, 2.0, 0.0, 5.0], dtype=torch.float64)
    log_q = torch.tensor([0.5, 1.0, 3.0, 2.0], dtype=torch.float64).log()
    ratio = torch.tensor([2.0, 2.0, 0.0, 2.5], dtype=torch.float64)
    for scale in (1.0, 1e-200, 1e250):
        weights = importance_weights(scale * h, log_q)
        torch.testing.assert_close(weights.values, ratio / 6.5, rtol=1e-12, atol=0)
        assert weights.mass == pytest.approx(scale * 6.5 / 4, rel=1e-12)
        assert weights.effective == pytest.approx(6.5**2 / (4 * (4 + 4 + 6.25)))
        assert weights.largest == pytest.approx(2.5 / 6.5)


def test_an_indicator_that_vanishes_prefers_nothing() -> None:
    log_q = torch.tensor([math.log(2), 0.0], dtype=torch.float64)
    weights = importance_weights(torch.zeros(2, dtype=torch.float64), log_q)
    torch.testing.assert_close(weights.values, torch.tensor([1 / 3, 2 / 3]).double())
