"""Where fits of mixtures begin: the numbers of Gaussians that are tried, and the starts of each."""

from __future__ import annotations

import math

import pytest
import torch
from mixtures import make_gmm
from torch import Tensor

from genlab.batch import Batch
from genlab.densities import Covariance, Mixtures
from genlab.densities.mixtures import precision_root
from genlab.objectives import MixtureFit
from genlab.objectives.mixture_starts import chosen, likeliest_starts


def fitted(fit: MixtureFit, x: Tensor) -> float:
    """The BIC that a begun fit ends with."""
    while not fit.done:
        fit.observe(Batch(x))
        fit.advance()
    return fit.model.bic(Batch(x))


@pytest.mark.parametrize(("angle", "gap", "length"), [(2.6, 4.8, 25.0), (1.8, 7.3, 29.0)])
def test_auto_finds_cigars_side_by_side(angle: float, gap: float, length: float) -> None:
    torch.manual_seed(2)
    along = torch.tensor([math.cos(angle), math.sin(angle)]).double()
    across = torch.stack((-along[1], along[0]))
    means = gap * torch.arange(-1, 2).double()[:, None] * across
    covariance = length**2 * along.outer(along) + across.outer(across)
    noise = torch.randn(300, 2).double() @ torch.linalg.cholesky(covariance).mT
    x = means.repeat(100, 1) + noise
    scale = x.std(0)
    x = x / scale

    true = make_gmm(2, tolerance=1e-8)
    roots = precision_root(covariance / scale.outer(scale)).expand(1, 3, 2, 2)
    true.mixture.load(Mixtures(torch.zeros(1, 3).double(), (means / scale)[None], roots))
    open_number = make_gmm(2, components="auto", restarts=4, tolerance=2e-5)
    open_number.initialise(x)
    fit = MixtureFit(open_number)
    fit.start(Batch(x))
    assert fitted(fit, x) < fitted(MixtureFit(true), x) + 2
    assert fit.present.means.shape[1] == 3


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_starts_in_the_shape_of_the_whole_do_not_depend_on_the_coordinates(
    covariance: Covariance,
) -> None:
    x, weight = torch.randn(200, 3).double(), torch.rand(2, 200).double()
    change = torch.tensor([[5.0, 3.0, 0.0], [0.0, 0.1, 0.0], [2.0, 0.0, 1.0]]).double()
    model = make_gmm(3, covariance=covariance, covariance_floor=1e-12)
    found = []
    for rows in (x, x @ change.mT):
        torch.manual_seed(0)
        found.append(likeliest_starts(model, rows, weight, 3, tries=4, kept=2, whitened=True))
    before, after = found
    assert before.means.shape == (4, 3, 3)
    torch.testing.assert_close(before.log_weights, after.log_weights, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(before.means @ change.mT, after.means, rtol=1e-4, atol=1e-4)
    moved = change @ before.covariances @ change.mT
    torch.testing.assert_close(moved, after.covariances, rtol=1e-4, atol=1e-4)


def test_a_start_is_no_worse_for_having_been_chosen_from_more() -> None:
    x, weight = torch.randn(300, 2).double(), torch.ones(1, 300).double()
    model = make_gmm(2, components=4, start="random")
    reached = []
    for tries in (1, 20):
        torch.manual_seed(0)
        model.mixture.load(likeliest_starts(model, x, weight, 4, tries=tries, whitened=True))
        reached.append(model.log_prob(x).mean())
    assert reached[1] > reached[0]


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_each_class_takes_the_mixture_that_was_chosen(covariance: Covariance) -> None:
    few, many = (make_gmm(2, components=k, labels=3, covariance=covariance) for k in (2, 4))
    x, label = torch.randn(90, 2).double(), torch.arange(90) % 3
    for model in (few, many):
        model.initialise(x, label)
    taken = torch.tensor([True, False, True])
    joined = make_gmm(2, components=4, labels=3, covariance=covariance)
    joined.mixture.load(chosen(few.mixture(), many.mixture(), taken, covariance))
    assert joined.mixture.logits.isfinite().sum(1).tolist() == [4, 2, 4]
    expected = torch.where(taken[label], many.log_prob(x, label), few.log_prob(x, label))
    torch.testing.assert_close(joined.log_prob(x, label), expected)
    narrow = chosen(many.mixture(), few.mixture(), torch.ones(3).bool(), covariance)
    assert narrow.means.shape == (3, 2, 2)
