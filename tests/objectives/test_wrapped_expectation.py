"""EM of wrapped Gaussians: it never falls, and what it fits is a density of the torus."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.distributions import MultivariateNormal

from genlab.batch import Batch
from genlab.densities import Covariance, Mixtures, WrappedMixtures
from genlab.densities.mixtures import precision_root
from genlab.densities.turns import widest
from genlab.models import GMM
from genlab.nn import wrap_columns
from genlab.objectives.expectation_maximisation import sweep
from genlab.objectives.mixture_fit import MixtureFit
from genlab.objectives.mixture_starts import maximised
from genlab.targets import Torus

KINDS: tuple[Covariance, ...] = ("full", "tied", "diag", "spherical")


def torus_rows(n: int, dim: int = 2) -> torch.Tensor:
    source = torch.Generator().manual_seed(3)
    return Torus(dim, bumps=5, concentration=3.0).sample(n, generator=source).double()


def gmm(dim: int, covariance: Covariance = "full", **options: Any) -> GMM:
    given = {"components": 4, "restarts": 1, "circular": "all", **options}
    return GMM(dim, covariance=covariance, **given).double()


def wide_rows() -> torch.Tensor:
    """Two angles that go together, more than once round."""
    source = torch.Generator().manual_seed(4)
    first, noise = torch.randn(2, 2000, 1, generator=source).double()
    return wrap_columns(torch.cat((2 * first, 1.8 * first + 0.6 * noise), 1), (0, 1))


def fitted(dim: int, covariance: Covariance, steps: int = 8, **options: Any) -> GMM:
    return learned(gmm(dim, covariance, **options), torus_rows(400, dim), steps)


def learned(model: GMM, x: torch.Tensor, steps: int) -> GMM:
    model.initialise(x)
    fit = MixtureFit(model)
    for _ in range(steps):
        fit.observe(Batch(x))
        fit.advance()
    return model


def axis(n: int) -> torch.Tensor:
    return 2 * math.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n - math.pi


def by_brute_force(mixtures: Mixtures, x: torch.Tensor, angles: tuple[int, ...]) -> torch.Tensor:
    """``log sum_n N``, over eleven turns to each side of all angles."""
    one = 2 * math.pi * torch.arange(-5.0, 6.0).double()
    turns = torch.cartesian_prod(*[one] * len(angles)).view(-1, len(angles))
    shifts = torch.zeros(len(turns), x.shape[1]).double()
    shifts[:, list(angles)] = turns
    law = MultivariateNormal(mixtures.means[0], mixtures.covariances[0])
    log_n = law.log_prob((x[:, None] + shifts)[:, :, None])
    return log_n.logsumexp(1).T


@pytest.mark.parametrize("covariance", KINDS)
@pytest.mark.parametrize("angles", [(0, 1), (1,)], ids=["torus", "cylinder"])
@pytest.mark.parametrize("width", [0.3, 1.2, 3.0])
def test_the_density_sums_over_all_turns(
    covariance: Covariance, angles: tuple[int, ...], width: float
) -> None:
    means = 2 * torch.randn(1, 3, 2).double()
    covariance_of = width**2 * torch.tensor([[1.0, 0.8], [0.8, 1.0]]).double()
    if covariance in ("full", "tied"):
        roots = precision_root(covariance_of).expand(1, 3, 2, 2)
    else:
        roots = torch.full_like(means, 1 / width)
    mixtures = Mixtures(torch.full((1, 3), 1 / 3).double().log(), means, roots)
    x = wrap_columns(2 * torch.randn(20, 2).double(), angles)
    first, second = WrappedMixtures(mixtures, angles).log_gaussians(x, given=1)
    truth = by_brute_force(mixtures, x, angles)
    torch.testing.assert_close((first + second)[0], truth, atol=1e-5, rtol=1e-5)
    of_first = mixtures.marginal([0])
    alone = tuple(i for i in angles if i == 0)
    known = (
        by_brute_force(of_first, x[:, :1], alone)
        if alone
        else of_first.log_gaussians(x[:, :1])[1][0]
    )
    torch.testing.assert_close(first[0], known, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("covariance", KINDS)
@pytest.mark.parametrize("circular", [[0, 1], [1]], ids=["torus", "cylinder"])
def test_the_likelihood_never_falls(covariance: Covariance, circular: list[int]) -> None:
    model = gmm(2, covariance, circular=circular, tolerance=0.0)
    x = torus_rows(300)
    model.initialise(x)
    fit = MixtureFit(model)
    losses = []
    for _ in range(40):
        fit.observe(Batch(x))
        losses.append(fit.advance().item())
        if fit.done:
            break
        assert model.mixture().means[..., circular].abs().max() <= math.pi
    assert max(after - before for before, after in pairwise(losses)) < 1e-9
    assert losses[-1] < losses[0] - 0.01
    nll = -model.log_prob(x).mean().item()
    fit.observe(Batch(x))
    assert fit.advance().item() == pytest.approx(nll, abs=1e-7)


@pytest.mark.parametrize("covariance", KINDS)
def test_sums_of_many_mixtures_are_those_of_each(covariance: Covariance) -> None:
    """Of weighted rows, with a mixture inside of each Gaussian."""
    model, x = fitted(2, covariance), torus_rows(200)
    one = model.mixture()
    own = slice(1 if covariance == "tied" else None)
    two = Mixtures(
        one.log_weights.expand(2, -1),
        torch.cat((one.means, one.means + 0.3)),
        one.roots[:, own].expand(2, *one.roots[:, own].shape[1:]),
    )
    weight = torch.rand(2, 200).double()
    both, _ = sweep(two, x, weight, angles=(0, 1))
    for g in range(2):
        alone, _ = sweep(
            Mixtures(*(p[g : g + 1] for p in two)), x, weight[g : g + 1], angles=(0, 1)
        )
        for part, whole in zip(alone, both, strict=True):
            torch.testing.assert_close(whole[g : g + 1], part)


def test_deviations_stop_at_half_a_turn() -> None:
    model = gmm(2, components=1)
    x = torch.cartesian_prod(axis(20), axis(20))
    model.initialise(x)
    mixtures = model.mixture()
    for _ in range(60):
        mixtures = maximised(
            model, mixtures, sweep(mixtures, x, torch.ones(1, 400).double(), angles=(0, 1))[0]
        )
    assert mixtures.covariances.diagonal(dim1=-2, dim2=-1).max() <= math.pi**2 * (1 + 1e-12)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
@pytest.mark.parametrize("components", [1, 3])
def test_other_coordinates_beside_angles_are_as_wide_as_they_are(
    covariance: Covariance, components: int
) -> None:
    source = torch.Generator().manual_seed(0)
    line = 40 * torch.randn(400, generator=source).double()
    x = torch.stack((line, line / 8 + torch.randn(400, generator=source)), 1)
    x = wrap_columns(x, [1])
    model = gmm(2, covariance, circular=[1], components=components, tolerance=0.0)
    model.initialise(x)
    fit = MixtureFit(model)
    losses = []
    for _ in range(60):
        fit.observe(Batch(x))
        losses.append(fit.advance().item())
    assert max(after - before for before, after in pairwise(losses)) < 1e-9
    variances = model.mixture().covariances.diagonal(dim1=-2, dim2=-1)
    assert variances[..., 1].max() <= math.pi**2 * (1 + 1e-9)
    if components == 1:
        assert variances[0, 0, 0].item() == pytest.approx(line.var(correction=0).item(), rel=1e-3)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_the_density_integrates_to_one(dim: int, covariance: Covariance) -> None:
    model = fitted(dim, covariance)
    n = {1: 400, 2: 100, 3: 40}[dim]
    grid = torch.cartesian_prod(*[axis(n)] * dim).view(-1, dim)
    with torch.no_grad():
        mean = torch.cat([model.log_prob(part) for part in grid.split(8000)]).exp().mean()
    assert (mean * (2 * math.pi) ** dim).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("covariance", KINDS)
def test_a_step_is_that_of_all_turns_summed_one_by_one(covariance: Covariance) -> None:
    """Of a Gaussian that is wound round the circle more than once."""
    x, mean, s = torch.tensor([-2.9, -1.0, 0.3, 2.0, 3.1]).double()[:, None], 0.4, 1.6
    one = torch.ones(1, 1, 1).double()
    root = one[..., None] / s if covariance in ("full", "tied") else one / s
    start = Mixtures(torch.zeros(1, 1).double(), mean * one, root)
    model = gmm(1, covariance, components=1)
    model.initialise(x)
    sums, _ = sweep(start, x, torch.ones(1, 5).double(), angles=(0,))
    found = maximised(model, start, sums)
    off = x - mean + 2 * math.pi * torch.arange(-9.0, 10.0).double()
    q = (-off.square() / (2 * s**2)).softmax(1)
    step, square = ((q * power).sum(1).mean().item() for power in (off, off.square()))
    assert found.means.item() == pytest.approx(mean + step, abs=1e-9)
    assert found.covariances.item() == pytest.approx(square - step**2, abs=1e-4)


@pytest.mark.parametrize("covariance", ["full", "diag", "wide"])
def test_conditionals_and_marginals_are_those_of_the_joint_density(covariance: str) -> None:
    if covariance == "wide":
        model = learned(gmm(2, components=1, tolerance=0.0), wide_rows(), 40)
        assert model.mixture().covariances[0, 0, 0, 1] > 2
    else:
        model = fitted(2, covariance)
    psi, phi = axis(300)[:, None], torch.tensor([2.9]).double()
    joint = model.log_prob(torch.cat((phi.expand(300, 1), psi), 1)).exp()
    cell = 2 * math.pi / 300
    marginal = model.marginal([0]).log_prob(phi[None]).exp()
    torch.testing.assert_close(marginal, joint.sum(0, keepdim=True) * cell, atol=1e-6, rtol=1e-6)
    conditional = model.conditional([0])
    found = conditional.log_prob(psi, phi).exp()
    torch.testing.assert_close(found, joint / marginal, atol=1e-6, rtol=1e-6)
    # A turn more is the same condition.
    torch.testing.assert_close(conditional.log_prob(psi, phi - 2 * math.pi).exp(), found)
    drawn = conditional.sample(20_000, phi, generator=torch.Generator().manual_seed(0))
    for wave in (torch.cos, torch.sin):
        truth = (found * wave(psi[:, 0])).sum().item() * cell
        assert wave(drawn).mean().item() == pytest.approx(truth, abs=0.02)


def test_the_likelihood_of_seven_angles_never_falls() -> None:
    """With wide Gaussians beside narrow ones, and the widest on the bound."""
    x = torus_rows(150, 7)
    x[:50] = 2 * math.pi * torch.rand(50, 7, generator=torch.Generator().manual_seed(0)) - math.pi
    model = gmm(7, components=3, tolerance=0.0, covariance_floor=1e-2)
    model.initialise(x)
    fit = MixtureFit(model)
    losses = []
    for _ in range(12):
        fit.observe(Batch(x))
        losses.append(fit.advance().item())
    assert max(after - before for before, after in pairwise(losses)) < 1e-8
    values = torch.linalg.eigvalsh(model.mixture().covariances)
    assert values.max().item() == pytest.approx(widest(7) ** 2, rel=1e-6)
    nll = -model.log_prob(x).mean().item()
    fit.observe(Batch(x))
    assert fit.advance().item() == pytest.approx(nll, abs=1e-7)


def test_one_of_five_angles_given_the_others() -> None:
    model = fitted(5, "full")
    given = torus_rows(1, 5)[0, :4]
    psi, cell = axis(300)[:, None], 2 * math.pi / 300
    joint = model.log_prob(torch.cat((given.expand(300, 4), psi), 1)).exp()
    marginal = model.marginal([0, 1, 2, 3]).log_prob(given[None]).exp()
    torch.testing.assert_close(joint.sum(0, keepdim=True) * cell, marginal, atol=0, rtol=1e-6)
    conditional = model.conditional([0, 1, 2, 3])
    found = conditional.log_prob(psi, given).exp()
    torch.testing.assert_close(found, joint / marginal, atol=0, rtol=1e-6)
    drawn = conditional.sample(20_000, given, generator=torch.Generator().manual_seed(0))
    for wave in (torch.cos, torch.sin):
        truth = (found * wave(psi[:, 0])).sum().item() * cell
        assert wave(drawn).mean().item() == pytest.approx(truth, abs=0.02)


def test_covariances_of_low_rank_are_no_angles() -> None:
    with pytest.raises(ValueError, match="covariance=low_rank: of angles, expected full"):
        GMM(2, circular=[0], components=2, covariance="low_rank")
