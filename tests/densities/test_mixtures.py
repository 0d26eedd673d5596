"""Gaussian mixtures as tensors, against scipy."""

from __future__ import annotations

import pytest
import torch
from mixtures import COVARIANCES, mixtures_of, random_covariances
from scipy.stats import multivariate_normal

from genlab.densities import Covariance, MixtureParameters, Mixtures
from genlab.densities.mixture_parameters import kmeans_plus_plus, random_rows, starts
from genlab.errors import UserError


def random_mixtures(covariance: Covariance, groups: int = 2, components: int = 3, dim: int = 4):
    weights = torch.rand(groups, components).double().softmax(1)
    means = 2 * torch.randn(groups, components, dim).double()
    covariances = random_covariances(covariance, groups, components, dim)
    return mixtures_of(weights, means, covariances, covariance), means, covariances


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_densities_covariances_and_marginals_are_scipys(covariance: Covariance) -> None:
    mixtures, means, covariances = random_mixtures(covariance)
    torch.testing.assert_close(mixtures.covariances, covariances)
    x = 3 * torch.randn(20, 4).double()
    first, rest = mixtures.log_gaussians(x, given=1)
    keep = [3, 1]
    swapped = mixtures.marginal(keep).log_gaussians(x[:, keep])[1]
    for g in range(2):
        for k in range(3):
            normal = (means[g, k].numpy(), covariances[g, k].numpy())
            whole = torch.from_numpy(multivariate_normal(*normal).logpdf(x.numpy()))
            torch.testing.assert_close(first[g, k] + rest[g, k], whole)
            part = multivariate_normal(normal[0][keep], normal[1][keep][:, keep])
            torch.testing.assert_close(
                swapped[g, k], torch.from_numpy(part.logpdf(x[:, keep].numpy()))
            )
            part = multivariate_normal(normal[0][:1], normal[1][:1, :1])
            torch.testing.assert_close(first[g, k], torch.from_numpy(part.logpdf(x[:, :1].numpy())))


def test_a_distant_origin_costs_no_digits() -> None:
    mixtures, _, _ = random_mixtures("full")
    x = torch.randn(20, 4).double()
    near = torch.stack(mixtures.log_gaussians(x, given=2))
    far = mixtures._replace(means=mixtures.means + 1e8)
    torch.testing.assert_close(
        torch.stack(far.log_gaussians(x + 1e8, given=2)), near, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_parameters_give_back_what_they_were_loaded_with(covariance: Covariance) -> None:
    mixtures, _, _ = random_mixtures(covariance, components=5)
    parameters = MixtureParameters(2, 1, 4, covariance=covariance, floor=1e-4).double()
    parameters.load(mixtures)
    for value, expected in zip(parameters(), mixtures, strict=True):
        torch.testing.assert_close(value.expand_as(expected), expected)
    free = {"full": 5 * 15 - 1, "tied": 5 * 5 - 1 + 10, "diag": 5 * 9 - 1, "spherical": 5 * 6 - 1}
    assert parameters.degrees_of_freedom == 2 * free[covariance]


def test_a_growing_state_brings_its_own_number_and_a_fixed_one_does_not() -> None:
    mixtures, _, _ = random_mixtures("full", components=5)
    saved = MixtureParameters(2, 5, 4, covariance="full", floor=1e-4)
    saved.load(mixtures)
    options = {"covariance": "full", "floor": 1e-4}
    growing = MixtureParameters(2, 1, 4, growing=True, **options)
    weights = growing.logits
    growing.load_state_dict(saved.state_dict())
    assert growing.logits is weights
    assert torch.equal(growing.means, saved.means)
    with pytest.raises(RuntimeError, match="size mismatch"):
        MixtureParameters(2, 1, 4, **options).load_state_dict(saved.state_dict())


def test_no_parameter_makes_a_density_grow_without_bound() -> None:
    parameters = MixtureParameters(1, 1, 2, covariance="full", floor=1e-4)
    with torch.no_grad():
        parameters.scales.fill_(-1e4)
    mixtures: Mixtures = parameters()
    assert mixtures.diagonal.max().item() == pytest.approx(200)


def test_kmeans_plus_plus_finds_each_of_some_distant_clusters() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([-10.0, 10.0])] * 3)
    x = (corners + 0.1 * torch.randn(50, 8, 3)).flatten(0, 1)
    weight = torch.ones(20, 400)
    chosen = kmeans_plus_plus(x, weight, 8)
    assert chosen.shape == (20, 8, 3)
    found = (torch.cdist(chosen, corners) < 1).any(1).all(1)
    assert found.all()
    at_random = (torch.cdist(random_rows(x, weight, 8), corners) < 1).any(1).all(1)
    assert not at_random.any()


def test_a_start_sees_only_rows_of_positive_weight() -> None:
    x = torch.cat((torch.randn(100, 2), torch.randn(100, 2) + 50))
    weight = torch.stack((torch.arange(200) < 100, torch.arange(200) >= 100)).float()
    mixtures = starts(x, weight, 4, "kmeans++", "full", floor=1e-6)
    assert (mixtures.means[0] < 10).all()
    assert (mixtures.means[1] > 40).all()
    assert (mixtures.covariances.diagonal(dim1=2, dim2=3) < 5).all()


@pytest.mark.parametrize("start", ["kmeans++", "random"])
def test_a_start_from_fewer_rows_than_centres_is_finite(start: str) -> None:
    for x in (torch.zeros(1, 3), torch.ones(5, 3)):
        mixtures = starts(x, torch.ones(2, len(x)), 4, start, "full", floor=1e-6)
        assert all(part.isfinite().all() for part in mixtures)
    nobody = starts(torch.randn(5, 3), torch.zeros(1, 5), 4, start, "full", floor=1e-6)
    assert all(part.isfinite().all() for part in nobody)


def test_a_start_from_nothing_or_from_no_numbers_is_refused() -> None:
    with pytest.raises(UserError, match="data: there are no rows"):
        starts(torch.zeros(0, 2), torch.ones(1, 0), 2, "random", "full", floor=1e-6)
    x = torch.zeros(10, 2)
    x[3, 1], x[4, 0] = torch.nan, torch.inf
    with pytest.raises(UserError, match="data: 2 of the first 10 rows hold NaN"):
        starts(x, torch.ones(1, 10), 2, "random", "full", floor=1e-6)


def test_large_matrices_are_taken_one_by_one_to_the_same_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from genlab.densities import mixtures as module

    roots = torch.eye(4) + torch.randn(1, 3, 4, 4).tril(-1)
    mixture = Mixtures(torch.zeros(1, 3).log_softmax(1), torch.randn(1, 3, 4), roots)
    rows, which = torch.randn(50, 4), torch.randint(3, (50,))
    for given in (0, 2):
        gathered = mixture.complete(rows, which, given=given)
        monkeypatch.setattr(module, "GATHERED", 1)
        torch.testing.assert_close(mixture.complete(rows, which, given=given), gathered)
        monkeypatch.undo()
