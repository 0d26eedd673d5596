"""Gaussian mixtures: marginals, conditionals, criteria, contexts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from mixtures import COVARIANCES, make_gmm, mixtures_of, random_covariances, sklearn_precisions
from sklearn.mixture import GaussianMixture

from genlab.batch import Batch
from genlab.bijections import Standardise
from genlab.bijections.elementwise_affine import ActNorm
from genlab.densities import Covariance
from genlab.models import GMM
from genlab.objectives import MixtureFit


def random_gmm(dim: int = 3, covariance: Covariance = "full", **options: Any) -> GMM:
    """A mixture of 3 random Gaussians behind a standardisation."""
    model = make_gmm(dim, covariance=covariance, **options)
    groups, joint = model.mixture.means.shape[0], model.mixture.dim
    model.mixture.load(
        mixtures_of(
            torch.rand(groups, 3).double().softmax(1),
            torch.randn(groups, 3, joint).double(),
            random_covariances(covariance, groups, 3, joint),
            covariance,
        )
    )
    model.preprocessing = Standardise((dim,)).double()
    model.preprocessing.initialise(5 + torch.randn(50, dim).double() * torch.arange(1, dim + 1))
    if "context_dim" in options:
        width = options["context_dim"]
        model.context_encoder.initialise(2 + 3 * torch.randn(50, width).double())
    return model


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_joint_density_is_marginal_times_conditional(covariance: Covariance) -> None:
    model = random_gmm(4, covariance)
    x = model.sample(30)
    for given, rest in (([2], [0, 1, 3]), ([3, 0], [1, 2])):
        conditional = model.conditional(given).log_prob(x[:, rest], x[:, given])
        marginal = model.marginal(given).log_prob(x[:, given])
        torch.testing.assert_close(conditional + marginal, model.log_prob(x))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_marginal_is_the_integral_over_the_others(covariance: Covariance) -> None:
    model = random_gmm(2, covariance)
    (_, means, covariances), y = model.moments(), torch.linspace(2, 8, 5).double()
    reach = means[0, :, 0].abs().max() + 10 * covariances[0, :, 0, 0].max().sqrt()
    x = torch.linspace(float(-reach), float(reach), 20_001).double()
    grid = torch.stack(torch.meshgrid(x, y, indexing="ij"), -1).flatten(0, 1)
    density = model.log_prob(grid).exp().view(len(x), len(y))
    expected = torch.trapezoid(density, x, dim=0)
    torch.testing.assert_close(model.marginal([1]).log_prob(y[:, None]).exp(), expected)


@pytest.mark.parametrize("kind", [{"context_dim": 2}, {"labels": 2}])
def test_a_marginal_keeps_the_context(kind: dict[str, int]) -> None:
    model = random_gmm(3, **kind)
    row = torch.tensor([1.0, -2.0]).double() if "context_dim" in kind else torch.tensor([1])
    x = model.sample(40_000, row, generator=torch.Generator().manual_seed(0))
    y = model.marginal([2, 0]).sample(40_000, row, generator=torch.Generator().manual_seed(1))
    error = (x[:, [2, 0]].var(0) + y.var(0)).div(40_000).sqrt()
    assert ((x[:, [2, 0]].mean(0) - y.mean(0)).abs() < 4 * error).all()


def test_a_conditional_adds_to_the_context() -> None:
    model = random_gmm(3, context_dim=2)
    c, x = torch.randn(10, 2).double(), torch.randn(10, 3).double()
    conditional = model.conditional([1]).log_prob(x[:, [0, 2]], torch.cat((c, x[:, 1:2]), 1))
    expected = model.log_prob(x, c) - model.marginal([1]).log_prob(x[:, 1:2], c)
    torch.testing.assert_close(conditional, expected)


def test_conditional_samples_follow_the_conditional_density() -> None:
    model = random_gmm(2).conditional([0]).requires_grad_(False)
    row = torch.tensor([4.0]).double()
    x = model.sample(50_000, row, generator=torch.Generator().manual_seed(0))
    grid = torch.linspace(float(x.min()) - 5, float(x.max()) + 5, 4001).double()
    density = model.log_prob(grid[:, None], row).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-4)
    mean = torch.trapezoid(density * grid, grid).item()
    assert x.mean().item() == pytest.approx(mean, abs=4 * x.std().item() / math.sqrt(50_000))


def test_coordinates_that_are_none_are_refused() -> None:
    model = random_gmm(3)
    for given in ([3], [0, 0], [0, 1, 2]):
        with pytest.raises(ValueError, match="coordinates: expected different ones of 0 to 2"):
            model.conditional(given)
    with pytest.raises(ValueError, match="a vector \\(context_dim\\) or a label, not both"):
        random_gmm(3, labels=2).conditional([0])
    model.preprocessing = ActNorm(3)
    with pytest.raises(ValueError, match="preprocessing: expected Standardise, got ActNorm"):
        model.marginal([0])


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_criteria_and_moments_are_scikit_learns(covariance: Covariance) -> None:
    model, x = random_gmm(3, covariance), 5 * torch.randn(200, 3).double()
    if covariance == "spherical":  # in data units it would be none any more
        model.preprocessing = None
    weights, means, covariances = model.moments()
    theirs = GaussianMixture(3, covariance_type=covariance)
    theirs.weights_, theirs.means_ = weights[0].detach().numpy(), means[0].detach().numpy()
    precisions = sklearn_precisions(covariances[0].detach(), covariance)
    matrices = covariance in ("full", "tied")
    theirs.precisions_cholesky_ = (
        torch.linalg.cholesky(torch.from_numpy(precisions)).numpy() if matrices else precisions**0.5
    )
    theirs.covariances_ = covariances[0].detach().numpy()
    expected = torch.from_numpy(theirs.score_samples(x.numpy()))
    torch.testing.assert_close(model.log_prob(x), expected)
    assert model.aic(Batch(x)) == pytest.approx(theirs.aic(x.numpy()))
    assert model.bic(Batch(x)) == pytest.approx(theirs.bic(x.numpy()))
    numbers = model.metrics(training=Batch(x))
    assert numbers["model/components"] == 3
    assert numbers["model/bic"] == pytest.approx(model.bic(Batch(x)))
    assert set(model.metrics()) == {"model/components"}


def test_criteria_of_a_joint_mixture_are_those_of_the_joint_density() -> None:
    whole, rows = random_gmm(3), torch.randn(200, 3).double()
    given = whole.conditional([0])
    # The derived mixture has the context's coordinate first, as the whole one here.
    assert given.context_encoder.context_dim == 1
    data = Batch(rows[:, 1:], rows[:, :1])
    assert given.degrees_of_freedom == whole.degrees_of_freedom
    assert given.bic(data) == pytest.approx(whole.bic(Batch(rows)))
    assert given.aic(data) == pytest.approx(whole.aic(Batch(rows)))
    given.joint = False
    conditional = given.log_prob(*data[:2]).sum().item()
    assert given.aic(data) == pytest.approx(2 * (given.degrees_of_freedom - conditional))


def test_a_joint_mixture_over_a_vector_is_fitted_and_conditioned() -> None:
    # x = c^2 + noise: the best single Gaussian knows nothing of c, a mixture does.
    c = 4 * torch.rand(4000, 1).double() - 2
    x = c.square() + 0.1 * torch.randn(4000, 1).double()
    model = make_gmm(1, components="auto", context_dim=1)
    model.preprocessing = Standardise((1,)).double()
    model.initialise(x, 100 * c)
    fit = MixtureFit(model)
    fit.start(Batch(x, 100 * c))
    truth = -0.5 * math.log(2 * math.pi * math.e * 0.01)
    assert truth - model.log_prob(x, 100 * c).mean().item() < 0.1
    at_one = model.sample(5000, torch.tensor([100.0]).double())
    assert at_one.mean().item() == pytest.approx(1, abs=0.1)
    assert at_one.std().item() < 0.25


def test_labels_select_their_own_mixture() -> None:
    x = torch.cat((torch.randn(500, 2) - 5, torch.randn(700, 2) + 5)).double()
    labels = (torch.arange(1200) >= 500).long()
    model = make_gmm(2, components=2, labels=3)
    model.initialise(x, labels)
    fit = MixtureFit(model)
    for _ in range(20):
        fit.observe(Batch(x, labels))
        fit.advance()
    alone = make_gmm(2, components=2)
    alone.initialise(x[:500])
    with torch.no_grad():
        for one, other in zip(model.parameters(), alone.parameters(), strict=True):
            other.copy_(one[:1])
    torch.testing.assert_close(
        model.log_prob(x[:500], labels[:500]), alone.log_prob(x[:500]), atol=1e-9, rtol=1e-9
    )
    drawn = model.sample(4, torch.tensor([0, 1, 0, 1]))
    assert (drawn.sign() == torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])).all()
    # Nobody has seen the third class.
    assert model.log_prob(x[:5], torch.tensor([2])).isfinite().all()


def test_an_array_is_a_long_vector() -> None:
    from genlab.densities import Density

    options = {"components": 2, "covariance": "diag"}
    array: Density = GMM(
        (2, 3),
        **options,
        max_components=2,
        rank=1,
        start="random",
        restarts=1,
        tolerance=1e-5,
        covariance_floor=1e-6,
    )
    x = torch.randn(50, 2, 3)
    array.initialise(x)
    assert array.sample(7).shape == (7, 2, 3)
    assert array.log_prob(x).shape == (50,)
