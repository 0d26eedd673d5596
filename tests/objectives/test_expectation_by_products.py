"""The E-step by products: the sums of the whitened one, and the whitened one where digits count."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.densities import Covariance, Mixtures
from genlab.objectives.expectation import Expectation
from genlab.objectives.expectation_by_products import ProductExpectation, expectation_of


def mixtures(covariance: Covariance, dim: int, scale: float = 1.0) -> Mixtures:
    """Two mixtures of five, far from the origin; one component of the first is none."""
    log_weights = torch.randn(2, 5).double().log_softmax(1)
    log_weights[0, 1] = -math.inf
    if covariance == "diag":
        roots = torch.rand(2, 5, dim).double() + 0.5
    else:
        own = 1 if covariance == "tied" else 5
        roots = torch.tril(torch.randn(2, own, dim, dim), -1).double() + 2 * torch.eye(dim)
    return Mixtures(log_weights, 50 + 2 * torch.randn(2, 5, dim).double(), roots / scale)


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_all_sums_are_those_of_the_whitened_rows(covariance: Covariance, dim: int) -> None:
    parameters, x = mixtures(covariance, dim), 50 + 3 * torch.randn(200, dim).double()
    weight = torch.rand(2, 200).double()
    ours, exact = ProductExpectation(parameters, x), Expectation(parameters, x)
    for some in (slice(150), slice(150, None)):
        found = ours.add(x[some], weight[:, some])
        torch.testing.assert_close(found, exact.add(x[some], weight[:, some]))
    for one, other in zip(ours.statistics(), exact.statistics(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-9)


def test_squares_are_multiplied_out_only_where_that_loses_nothing() -> None:
    x = 50 + 3 * torch.randn(200, 3).double()
    wide, narrow = mixtures("full", 3), mixtures("full", 3, scale=1e-5)
    assert isinstance(expectation_of(wide, x), ProductExpectation)
    for parameters, rows in ((narrow, x), (wide, 1e6 * x), (wide, x * math.nan)):
        assert isinstance(expectation_of(parameters, rows), Expectation)
