"""The E-step and the M-step, against scikit-learn and against what they must never do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from mixtures import COVARIANCES, mixtures_of, sklearn_precisions
from sklearn.mixture import GaussianMixture

from genlab.densities import Covariance, Mixtures
from genlab.objectives import expectation_maximisation as em

STEPS = 20


def rows(dim: int, n: int = 1000) -> torch.Tensor:
    """Three overlapping clouds far from the origin, in float64."""
    which = torch.randint(3, (n,))
    centres = 3 * torch.randn(3, dim).double()
    return 50 + centres[which] + torch.randn(n, dim).double() * torch.linspace(0.5, 2, dim).double()


def start(x: torch.Tensor, covariance: Covariance, components: int = 4) -> Mixtures:
    weights = torch.full((1, components), 1 / components).double()
    spread = 2 * torch.eye(x.shape[1]).double().expand(1, components, -1, -1)
    return mixtures_of(weights, x[None, :components], spread, covariance)


def step(
    mixtures: Mixtures,
    x: torch.Tensor,
    covariance: Covariance,
    weight: torch.Tensor | None = None,
    floor: float = 1e-12,
) -> tuple[Mixtures, float]:
    weight = torch.ones(1, len(x)).to(x) if weight is None else weight
    statistics, _ = em.sweep(mixtures, x, weight)
    after = em.maximisation(mixtures, statistics, covariance, floor=floor)
    return after, (statistics.log_likelihood / statistics.mass).item()


@pytest.mark.parametrize("dim", [1, 2, 5, 16])
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_each_of_twenty_steps_is_scikit_learns(covariance: Covariance, dim: int) -> None:
    x = rows(dim)
    mixtures = start(x, covariance)
    theirs = GaussianMixture(
        4,
        covariance_type=covariance,
        max_iter=1,
        reg_covar=0,
        warm_start=True,
        means_init=mixtures.means[0].numpy(),
        weights_init=np.full(4, 0.25),
        precisions_init=sklearn_precisions(mixtures.covariances[0], covariance),
    )
    before = -np.inf
    for _ in range(STEPS):
        mixtures, _ = step(mixtures, x, covariance)
        _, likelihood = step(mixtures, x, covariance)
        with warnings.catch_warnings(action="ignore"):
            theirs.fit(x.numpy())
        assert likelihood == pytest.approx(theirs.score(x.numpy()), abs=1e-6)
        assert likelihood >= before - 1e-12
        before = likelihood


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_floor_that_binds_never_lowers_the_likelihood(covariance: Covariance) -> None:
    x = rows(3) @ torch.diag(torch.tensor([1.0, 1.0, 0.01])).double()
    mixtures, before = start(x, covariance), -np.inf
    for number in range(STEPS):
        mixtures, likelihood = step(mixtures, x, covariance, floor=0.1)
        # The start itself is not above the floor.
        assert number < 2 or likelihood >= before - 1e-12
        before = likelihood
    assert torch.linalg.eigvalsh(mixtures.covariances).min() >= 0.1 - 1e-9
    bound = em.collapsed(mixtures, floor=0.1)
    assert bound.all() == (covariance != "spherical")


def test_pieces_of_any_size_give_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = rows(3), torch.rand(1, 1000).double()
    monkeypatch.setattr(em, "WORKING_SET", 1)
    parts, _ = em.sweep(start(x, "full"), x, weight)
    monkeypatch.setattr(em, "WORKING_SET", 10**9)
    whole, _ = em.sweep(start(x, "full"), x, weight)
    for one, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_weights_count_like_repeated_rows(covariance: Covariance) -> None:
    x = rows(2, 300)
    times = torch.randint(0, 4, (300,))
    weighted = repeated = start(x, covariance)
    for _ in range(5):
        weighted, one = step(weighted, x, covariance, 0.1 * times[None].double())
        repeated, other = step(repeated, x.repeat_interleave(times, 0), covariance)
        assert one == pytest.approx(other, abs=1e-12)
    torch.testing.assert_close(weighted.covariances, repeated.covariances)


def test_an_inner_mixture_sees_the_responsibilities_as_weights() -> None:
    x = rows(2)
    outer = start(x, "full", 3)
    inner = Mixtures(*(part[0].unflatten(0, (3, 2)) for part in start(x, "full", 6)))
    statistics, of_inner = em.sweep(outer, x, torch.ones(1, 1000).double(), inner)
    r = em.Expectation(outer, x).add(x, torch.ones(1, 1000).double())
    expected, _ = em.sweep(inner, x, r[0])
    assert of_inner is not None
    torch.testing.assert_close(of_inner.counts, expected.counts)
    torch.testing.assert_close(of_inner.counts.sum(1), statistics.counts[0])


def test_several_mixtures_do_not_see_each_other() -> None:
    x = rows(2)
    both = Mixtures(*map(torch.cat, zip(start(x, "full"), start(x.flip(0), "full"), strict=True)))
    weight = torch.rand(2, 1000).double()
    found, _ = em.sweep(both, x, weight)
    for g, one in enumerate((start(x, "full"), start(x.flip(0), "full"))):
        alone, _ = em.sweep(one, x, weight[g : g + 1])
        for part, expected in zip(found, alone, strict=True):
            torch.testing.assert_close(part[g : g + 1], expected)


def test_single_precision_sums_are_good_to_six_digits() -> None:
    x = rows(5) - 50
    mixtures = start(x, "full")
    exact, _ = em.sweep(mixtures, x, torch.ones(1, 1000).double())
    single, _ = em.sweep(mixtures, x.float(), torch.ones(1, 1000))
    assert single.log_likelihood.dtype == torch.float64
    torch.testing.assert_close(single.log_likelihood, exact.log_likelihood, rtol=1e-6, atol=0)
    torch.testing.assert_close(single.second, exact.second, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_component_without_rows_keeps_what_it_has(covariance: Covariance) -> None:
    x = rows(2)
    mixtures = start(x, covariance)
    mixtures = mixtures._replace(means=mixtures.means.clone())
    mixtures.means[0, 1] = 1e6
    after, likelihood = step(mixtures, x, covariance)
    assert np.isfinite(likelihood)
    assert after.log_weights[0, 1] == -torch.inf
    assert (after.means[0, 1] == 1e6).all()
    again, further = step(after, x, covariance)
    assert further >= likelihood
    assert again.means.isfinite().all()
    assert not em.collapsed(again, floor=1e-12).any()
