"""Gaussians of low rank plus a diagonal, against torch, scikit-learn and the formulas."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from mixtures import make_gmm
from sklearn.decomposition import FactorAnalysis
from torch.distributions import LowRankMultivariateNormal

from genlab.batch import Batch
from genlab.densities import LowRankMixtures
from genlab.models import GMM
from genlab.objectives.mixture_fit import MixtureFit

DIM, RANK = 6, 2


def gaussian() -> tuple[LowRankMixtures, LowRankMultivariateNormal]:
    mean, factors = torch.randn(DIM).double(), torch.randn(DIM, RANK).double()
    deviations = torch.rand(DIM).double() + 0.3
    ours = LowRankMixtures(
        torch.zeros(1, 1).double(), mean[None, None], deviations[None, None], factors[None, None]
    )
    return ours, LowRankMultivariateNormal(mean, factors, deviations.square())


def rows(n: int) -> torch.Tensor:
    """A mixture of two, each with two factors."""
    factors = torch.randn(2, DIM, RANK).double()
    which = torch.rand(n) < 0.4
    x = torch.where(which[:, None], *(torch.randn(n, RANK).double() @ f.mT for f in factors))
    return x + 0.5 * torch.randn(n, DIM).double() + 3 * which[:, None]


def fit(model: GMM, x: torch.Tensor, passes: int) -> list[float]:
    model.initialise(x)
    em, losses = MixtureFit(model), []
    for _ in range(passes):
        em.observe(Batch(x))
        losses.append(em.advance().item())
        if em.done:
            break
    return losses


def test_the_density_is_torchs() -> None:
    ours, theirs = gaussian()
    x = 3 * torch.randn(50, DIM).double()
    torch.testing.assert_close(ours.log_gaussians(x)[1][0, 0], theirs.log_prob(x))
    torch.testing.assert_close(ours.covariances[0, 0], theirs.covariance_matrix)


@pytest.mark.parametrize("given", [0, 2])
def test_completed_rows_have_the_moments_of_the_conditional(given: int) -> None:
    ours, theirs = gaussian()
    n = 100_000
    known = torch.randn(given).double()
    noise = torch.randn(n, DIM - given).double()
    complete = ours.complete(
        torch.cat((known.expand(n, -1), noise), 1), torch.zeros(n, dtype=torch.long), given=given
    )
    covariance, mean = theirs.covariance_matrix, theirs.loc
    gain = covariance[given:, :given] @ torch.linalg.inv(covariance[:given, :given])
    truth = covariance[given:, given:] - gain @ covariance[:given, given:]
    expected = mean[given:] + gain @ (known - mean[:given])
    torch.testing.assert_close(complete.mean(0), expected, atol=0.04, rtol=0)
    torch.testing.assert_close(complete.mT.cov(), truth, atol=0.05, rtol=0.02)


def test_one_component_is_scikit_learns_factor_analysis() -> None:
    x = gaussian()[1].sample((400,))
    model = make_gmm(DIM, components=1, covariance="low_rank", rank=RANK, tolerance=1e-13)
    losses = fit(model, x, 3000)
    other = FactorAnalysis(RANK, tol=1e-9, max_iter=30_000, svd_method="lapack").fit(x.numpy())
    assert -losses[-1] == pytest.approx(other.score(x.numpy()), abs=1e-6)


def test_em_never_lowers_the_likelihood_on_the_floor_neither() -> None:
    x = rows(300)
    x[:, 0] = x[:, 1]  # no noise is left: its deviation falls to the floor
    model = make_gmm(DIM, covariance="low_rank", rank=RANK, tolerance=0.0, covariance_floor=0.05)
    losses = fit(model, x, 150)
    assert all(after <= before + 1e-10 for before, after in pairwise(losses))
    assert model.mixture().narrowest >= 0.05 - 1e-12


def test_an_open_number_of_gaussians_is_refused() -> None:
    with pytest.raises(ValueError, match="components=auto: expected a number"):
        make_gmm(DIM, components="auto", covariance="low_rank")
