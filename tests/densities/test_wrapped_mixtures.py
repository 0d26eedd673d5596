"""Wound Gaussians with full covariances, in two angles and in many, against exact truths.

A matrix of whole numbers and determinant 1 maps the torus onto itself: what it makes of independent
wrapped normals has correlations, and their density.
"""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from genlab.densities import Mixtures, WrappedMixtures
from genlab.densities.mixtures import precision_root
from genlab.densities.turns import MOST, turns, widest
from genlab.nn import wrap

DRAW = torch.Generator().manual_seed(0)


def fourier(angle: Tensor, deviation: Tensor) -> Tensor:
    """``(1 + 2 sum_k e^(-k^2 s^2 / 2) cos k a) / 2 pi``: the wrapped normal by its other series."""
    k = torch.arange(1, 60, dtype=torch.float64)
    waves = (-0.5 * (k * deviation[:, None]).square()).exp() * (k * angle[..., None]).cos()
    return (1 + 2 * waves.sum(-1)) / (2 * math.pi)


def whole(dim: int) -> Tensor:
    """A random matrix of whole numbers and determinant 1, with few entries in a row."""
    matrix = torch.eye(dim, dtype=torch.float64)
    for i in torch.randperm(dim - 1, generator=DRAW)[:3].tolist():
        matrix[i + 1] += (1 - 2 * torch.randint(2, (), generator=DRAW)) * matrix[i]
    return matrix


def one(mean: Tensor, covariance: Tensor) -> Mixtures:
    return Mixtures(
        torch.zeros(1, 1).double(), mean[None, None], precision_root(covariance)[None, None]
    )


@pytest.mark.parametrize("dim", [2, 3, 7])
@pytest.mark.parametrize("deviations", [(0.3, 0.8), (0.1, 0.4)], ids=["wide", "narrow"])
def test_correlated_angles_are_those_of_independent_ones_turned_by_whole_numbers(
    dim: int, deviations: tuple[float, float]
) -> None:
    low, high = deviations
    for _ in range(5):
        matrix = whole(dim)
        s = low + (high - low) * torch.rand(dim, generator=DRAW).double()
        mean = 2 * torch.randn(dim, generator=DRAW).double()
        y = mean + s * torch.randn(200, dim, generator=DRAW).double()
        truth = fourier(y - mean, s).log().sum(1)
        covariance = matrix @ s.square().diag() @ matrix.T
        found = WrappedMixtures(one(wrap(matrix @ mean), covariance), range(dim))
        x = wrap(y @ matrix.T)
        torch.testing.assert_close(found.log_gaussians(x)[1][0, 0], truth, atol=1e-6, rtol=0)
        single = WrappedMixtures(Mixtures(*(p.float() for p in found.mixtures)), range(dim))
        log_p = single.log_gaussians(x.float())[1][0, 0]
        torch.testing.assert_close(log_p.double(), truth, atol=2e-3, rtol=0)


@pytest.mark.parametrize("dim", [2, 5, 7, 12])
def test_turns_hold_all_that_is_drawn_and_are_bounded(dim: int) -> None:
    for _ in range(4):
        q = torch.linalg.qr(torch.randn(dim, dim, generator=DRAW).double()).Q
        s = widest(dim) * torch.rand(dim, generator=DRAW).double() ** 2
        s[0] = widest(dim)
        covariance = q @ s.square().diag() @ q.T
        root = torch.linalg.cholesky(covariance)
        drawn = torch.randn(20_000, dim, generator=DRAW).double() @ root.T
        seen = (drawn / (2 * math.pi)).round().unique(dim=0)
        [(which, away)] = turns(one(torch.zeros(dim).double(), covariance), range(dim))
        kept = {tuple(row) for row in (away[0] / (2 * math.pi)).round().long().tolist()}
        assert which.tolist() == [0]
        assert {tuple(row) for row in seen.long().tolist()} <= kept
        assert len(kept) <= MOST


def test_a_round_gaussian_of_the_largest_deviation_has_as_many_turns_as_it_may() -> None:
    for dim in (5, 7, 9):
        for factor in (1.0, 1.5):  # of what is wider there are the turns of what is not
            covariance = (factor * widest(dim)) ** 2 * torch.eye(dim).double()
            [(_, away)] = turns(one(torch.zeros(dim).double(), covariance), range(dim))
            assert away.shape[1] <= MOST
    assert widest(1) == widest(4) == math.pi
    assert widest(7) == pytest.approx(math.pi / 2)


def test_the_density_of_seven_angles_integrates_to_one() -> None:
    """By importance sampling from products of von Mises distributions."""
    dim, n, components = 7, 60_000, 3
    means = 2 * torch.randn(1, components, dim, generator=DRAW).double()
    factors = 0.35 * torch.randn(components, dim, dim, generator=DRAW).double()
    covariances = factors @ factors.mT + 0.1 * torch.eye(dim)
    values, vectors = torch.linalg.eigh(covariances)
    covariances = vectors * values.clamp(max=widest(dim) ** 2)[:, None] @ vectors.mT
    log_weights = torch.tensor([[0.5, 0.3, 0.2]]).double().log()
    mixtures = WrappedMixtures(
        Mixtures(log_weights, means, precision_root(covariances)[None]), range(dim)
    )
    law = stats.vonmises(0.6 / covariances.diagonal(dim1=1, dim2=2).numpy())
    which = torch.multinomial(log_weights[0].exp(), n, True, generator=DRAW)
    angles = law.rvs(size=(n, components, dim), random_state=0)[range(n), which]
    x = wrap(means[0, which] + torch.from_numpy(angles))
    log_q = torch.from_numpy(law.logpdf((x[:, None] - means[0]).numpy())).sum(2)
    log_q = (log_weights[0] + log_q).logsumexp(1)
    log_p = (log_weights[..., None] + mixtures.log_gaussians(x)[1]).logsumexp(1)[0]
    ratio = (log_p - log_q).exp()
    error = ratio.std() / math.sqrt(n)
    assert error < 0.03
    assert ratio.mean().item() == pytest.approx(1, abs=4 * error.item())
