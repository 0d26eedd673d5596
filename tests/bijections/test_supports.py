"""Half-lines and categories: where densities end, what the scores of a race are, and exact laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from properties import jacobian
from scipy import stats

from genlab.bijections import Argmax, HalfLine, OnCoordinates, Probit, UnitBox, n_coordinates
from genlab.bijections.half_line import Tail

TYPES = (torch.float32, torch.float64)


def rows(categories: int, n: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Categories of unequal shares, and their points in double precision."""
    torch.manual_seed(categories)
    share = torch.arange(1.0, categories + 1).softmax(0)
    k = torch.multinomial(share, n, replacement=True)
    x = torch.rand(n, n_coordinates(categories), dtype=torch.float64)
    x[:, 0] += k
    return k, x


@pytest.mark.parametrize("categories", [2, 3, 5])
@pytest.mark.parametrize("dtype", TYPES)
def test_categories_come_back_and_their_scores_are_normal(
    categories: int, dtype: torch.dtype
) -> None:
    k, x = rows(categories)
    layer = Argmax(categories).to(dtype)
    layer.initialise(x.to(dtype))
    z, log_det = layer(x.to(dtype))
    back, log_det_back = layer.inverse(z)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(back, x.to(dtype), atol=tolerance, rtol=0)
    torch.testing.assert_close(log_det_back, -log_det, atol=tolerance, rtol=0)
    assert torch.equal(back[:, 0].floor().long(), k)
    torch.testing.assert_close(
        z.T @ z / len(z), torch.eye(z.shape[1], dtype=dtype), atol=0.1, rtol=0
    )
    # Of independent normals the mass of a category is its frequency, whatever the noise.
    mass = log_det + torch.distributions.Normal(0, 1).log_prob(z).sum(1)
    frequency = (torch.bincount(k).to(dtype) + 0.5) / (len(k) + categories / 2)
    torch.testing.assert_close(mass, frequency.log()[k], atol=tolerance, rtol=0)


@pytest.mark.parametrize("categories", [2, 4])
def test_the_log_det_of_categories_is_that_of_the_jacobian(categories: int) -> None:
    _, x = rows(categories, 50)
    layer = Argmax(categories).double()
    layer.initialise(x)
    truth = torch.linalg.slogdet(jacobian(lambda x: layer(x)[0], x)).logabsdet
    torch.testing.assert_close(layer(x)[1], truth, atol=1e-9, rtol=0)


@pytest.mark.parametrize("dtype", TYPES)
def test_nothing_that_is_generated_leaves_its_support(dtype: torch.dtype) -> None:
    z = torch.tensor([-1e6, -90.0, -12.0, 0.0, 12.0, 90.0, 1e6], dtype=dtype)
    for categories in (2, 3):
        width = n_coordinates(categories)
        x = (
            Argmax(categories)
            .to(dtype)
            .generate(torch.cartesian_prod(*[z] * width).view(-1, width))
        )
        assert ((x[:, 0] >= 0) & (x[:, 0] < categories)).all()
        assert ((x[:, 1:] > 0) & (x[:, 1:] < 1)).all()
    for edge in (0.0, -2.5, 1e6):
        for up in (True, False):
            for tail in ("log", "linear"):
                layer = HalfLine([edge], upward=[up], tail=tail).to(dtype)
                x = layer.generate(z[:, None])
                assert x.isfinite().all()
                assert (x > edge if up else x < edge).all()


@pytest.mark.parametrize("tail", ["log", "linear"])
def test_beyond_the_edge_there_is_no_density(tail: Tail) -> None:
    layer = HalfLine([1.0], tail=tail)
    x = torch.tensor([[0.5], [1.0], [1.5]], requires_grad=True)
    z, log_det = layer(x)
    (z.sum() + log_det[1:].sum()).backward()
    assert log_det.isneginf().tolist() == [True, False, False]
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert Argmax(3)(torch.tensor([[3.5, 0.5, 0.5], [0.5, 1.5, 0.5]]))[1].isneginf().all()


def test_a_normal_becomes_log_normal_and_uniform() -> None:
    normal = torch.distributions.Normal(0.5, 0.7)
    x = torch.tensor([[0.1], [1.0], [30.0]], dtype=torch.float64)
    z, log_det = HalfLine([0.0], tail="log").double()(x)
    truth = stats.lognorm.logpdf(x[:, 0].numpy(), 0.7, scale=math.exp(0.5))
    np.testing.assert_allclose(normal.log_prob(z[:, 0]) + log_det, truth, atol=1e-10)


def test_densities_of_scipy_keep_their_mass_on_the_line() -> None:
    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)[:, None]
    line = HalfLine([-1.0], tail="linear").double()
    line.initialise(torch.full((3, 1), 2.0, dtype=torch.float64))
    box = Probit(UnitBox([-2.5, 2.5], 1)).double()
    laws = {box: stats.beta(2, 3, loc=-2.5, scale=5), line: stats.gamma(3, loc=-1)}
    for layer, law in laws.items():
        x, log_det = layer.inverse(z)
        on_line = law.pdf(x[:, 0].numpy()) * log_det.exp().numpy()
        assert np.trapezoid(on_line, z[:, 0].numpy()) == pytest.approx(1, abs=1e-3)


def test_a_half_line_is_inverted_to_the_last_digits() -> None:
    layer = HalfLine([0.0], tail="linear").double()
    z = torch.linspace(15, 60, 91, dtype=torch.float64)[:, None]
    x, log_det = layer.inverse(z)
    back, forward = layer(x)
    torch.testing.assert_close(back, z, rtol=0, atol=1e-13)
    torch.testing.assert_close(forward, -log_det, rtol=0, atol=1e-13)


def test_coordinates_that_are_not_chosen_pass() -> None:
    layer = OnCoordinates(HalfLine([0.0, 0.0], upward=[True, False], tail="log"), [3, 1], 4)
    x = torch.tensor([[-7.0, -2.0, 5.0, 3.0]])
    z, log_det = layer(x)
    torch.testing.assert_close(z, torch.tensor([[-7.0, math.log(2), 5.0, math.log(3)]]))
    torch.testing.assert_close(log_det, torch.tensor([-math.log(6)]))
    torch.testing.assert_close(layer.inverse(z)[0], x)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="categories=1: expected at least 2"):
        Argmax(1)
    with pytest.raises(ValueError, match="upward: expected 1 sides, got 2"):
        HalfLine([0.0], upward=[True, False])
    with pytest.raises(ValueError, match=r"places: expected some of 0 .. 1, got \[2\]"):
        OnCoordinates(HalfLine([0.0]), [2], 2)
