"""The way from a box to the whole space: its edges, its outside, and the quantile functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from genlab.bijections import Logit, Probit, UnitBox
from genlab.errors import UserError

BOX = [[-1.0, 1.0], [0.0, 0.7]]


def test_the_box_becomes_the_unit_cube() -> None:
    x = torch.tensor([[0.0, 0.35], [-0.5, 0.07]], dtype=torch.float64)
    u, log_det = UnitBox(BOX, 2).double()(x)
    truth = torch.tensor([[0.5, 0.5], [0.25, 0.1]], dtype=torch.float64)
    torch.testing.assert_close(u, truth, atol=1e-15, rtol=1e-14)
    torch.testing.assert_close(log_det, torch.full((2,), -math.log(1.4)).double())


def test_one_interval_serves_all_coordinates() -> None:
    box = UnitBox([-4, 4], 3)
    assert box.intervals == [(-4, 4)] * 3
    torch.testing.assert_close(box(torch.zeros(1, 3))[0], torch.full((1, 3), 0.5))


def test_edges_are_exact_in_double_precision() -> None:
    box = UnitBox([0.1, 0.7], 1).double()
    assert (box.low.item(), box.high.item()) == (0.1, 0.7)
    assert (box.float().double().high == 0.7).all()


@pytest.mark.parametrize("quantile", [Logit, Probit])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_outside_there_is_no_density_and_no_infinite_gradient(
    quantile: type, dtype: torch.dtype
) -> None:
    way = quantile(UnitBox(BOX, 2)).to(dtype)
    x = torch.tensor(
        [[1.001, 0.2], [0.0, -1e-6], [1e30, 0.1], [-1e6, 1e6], [math.inf, 0.1]], dtype=dtype
    ).requires_grad_()
    y, log_det = way(x)
    (y.sum() + log_det.sum()).backward()
    assert log_det.isneginf().all()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("quantile", [Logit, Probit])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_the_edges_belong_to_the_box(quantile: type, dtype: torch.dtype) -> None:
    way = quantile(UnitBox(BOX, 2)).to(dtype)
    corners = torch.tensor([[-1, 0], [1, 0.7], [-1, 0.7]], dtype=dtype).requires_grad_()
    y, log_det = way(corners)
    (y.sum() + log_det.sum()).backward()
    for value in (y, log_det, corners.grad):
        assert value.isfinite().all()


@pytest.mark.parametrize("quantile", [Logit, Probit])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("box", [[-1.0, 1.0], [0.0, 1.0], [1000.0, 1001.0], [-3e-5, 0.0]])
def test_what_comes_back_lies_strictly_inside(
    quantile: type, dtype: torch.dtype, box: list[float]
) -> None:
    way = quantile(UnitBox(box, 1)).to(dtype)
    y = torch.tensor([-1e30, -100.0, -20.0, 0.0, 6.0, 20.0, 100.0, 1e30], dtype=dtype)[:, None]
    x, log_det = way.inverse(y)
    assert ((x > way.box.low) & (x < way.box.high)).all()
    assert not log_det.isnan().any()
    assert way(x)[0].isfinite().all()


@pytest.mark.parametrize(
    ("bijection", "truth"),
    [(Logit(), stats.logistic), (Probit(), stats.norm)],
    ids=["logit", "probit"],
)
def test_quantile_functions_are_scipys(bijection: Logit | Probit, truth: object) -> None:
    u = np.concatenate([np.linspace(0.001, 0.999, 999), [1e-12, 1e-20]])[:, None]
    z, log_det = bijection(torch.from_numpy(u))
    np.testing.assert_allclose(z.numpy(), truth.ppf(u), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(log_det.numpy(), -truth.logpdf(truth.ppf(u))[:, 0], rtol=1e-10)


def test_what_is_no_box_is_named() -> None:
    for box in ([1.0], [0.0, 1.0, 2.0], [[0.0, 1.0]], [[0.0, 1.0], [0.0]], [[0.0, 1.0], 2.0], []):
        with pytest.raises(ValueError, match=r"bounded=.*: expected \[low, high\], or such a pair"):
            UnitBox(box, 2)
    for box in ([1.0, 1.0], [1.0, -1.0], [-math.inf, 0.0], [0.0, math.nan]):
        with pytest.raises(ValueError, match="expected low < high, both finite"):
            UnitBox(box, 2)


def test_data_outside_the_box_are_named() -> None:
    x = torch.rand(100, 2) * torch.tensor([1.0, 0.7])
    box = UnitBox(BOX, 2)
    torch.testing.assert_close(box.initialise(x), box(x)[0])
    x[7, 1] = 0.9
    with pytest.raises(UserError, match=r"coordinate 2 .* to 0\.9, .* \[0, 0\.7\]"):
        box.initialise(x)
