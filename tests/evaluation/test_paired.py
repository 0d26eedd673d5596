"""The paired difference of two models against its exact value, and what is said of it."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.evaluation import Estimate
from genlab.evaluation.paired import Paired, paired


def normal(x: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.distributions.Normal(0.0, scale).log_prob(x)


def test_the_difference_is_the_kl_of_the_other_one_and_its_error_covers_it() -> None:
    """Of N(0, 1) against N(0, s^2): ``KL = log s + (1 / s^2 - 1) / 2``, on fresh rows each time."""
    scale, misses = 1.1, 0
    truth = math.log(scale) + 0.5 * (1 / scale**2 - 1)
    for _ in range(200):
        x = torch.randn(400, dtype=torch.float64)
        found = paired(normal(x, 1.0), normal(x, scale)).difference
        misses += abs(found.value - truth) > 2 * found.se
    # 4.6 % of them, give or take three standard deviations of a share of 200.
    assert misses / 200 == pytest.approx(0.046, abs=0.045)


def test_rows_that_are_hard_for_both_do_not_blur_the_difference() -> None:
    hard = 100 * torch.randn(1000, dtype=torch.float64)
    found = paired(hard + 0.01 * torch.randn(1000) + 0.1, hard)
    assert found.difference.value == pytest.approx(0.1, abs=1e-2)
    assert found.difference.se < 1e-3
    assert found.verdict == "better"


def test_rows_won_are_counted_with_their_weights_and_ties_by_half() -> None:
    ours, other = torch.tensor([1.0, 0.0, 2.0, 5.0]), torch.tensor([0.0, 1.0, 2.0, 9.0])
    assert paired(ours, other).won.value == pytest.approx(1.5 / 4)
    assert paired(ours, other, torch.tensor([1.0, 1.0, 2.0, 0.0])).won.value == pytest.approx(0.5)
    assert paired(other, ours).won.value == pytest.approx(2.5 / 4)
    same = paired(ours, ours)
    assert (same.difference, same.won.value) == (Estimate(0.0, 0.0), 0.5)


@pytest.mark.parametrize(
    ("value", "se", "verdict"),
    [
        (0.3, 0.1, "better"),
        (-0.3, 0.1, "worse"),
        (0.3, 0.2, "not told apart"),
        (-0.3, 0.2, "not told apart"),
        (0.0, 0.0, "not told apart"),
        (math.inf, math.inf, "better"),
        (-math.inf, math.inf, "worse"),
        (math.nan, math.nan, "no number"),
        (0.3, math.nan, "no number"),
    ],
)
def test_what_is_said_of_a_difference(value: float, se: float, verdict: str) -> None:
    assert Paired(Estimate(value, se), Estimate(0.5, 0.1)).verdict == verdict


def test_rows_of_density_zero_decide() -> None:
    ours, other = torch.tensor([0.0, 1.0]), torch.tensor([-math.inf, 1.0])
    assert paired(ours, other).verdict == "better"
    assert paired(other, ours).verdict == "worse"
    assert paired(other, other).verdict == "no number"
