"""The distribution functions of KRnet, against the printed formulas and quadrature."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from genlab.bijections import CDFLayer

A, R, M = 50.0, 1.2, 16


def layer(scale: float, dtype: torch.dtype = torch.float64, dim: int = 2) -> CDFLayer:
    made = CDFLayer(dim, bins=2 * M)
    torch.nn.init.normal_(made.log_weight, std=scale)
    return made.to(dtype)


def nodes() -> list[float]:
    side = [A * (R**j - 1) / (R**M - 1) for j in range(M + 1)]
    return [-x for x in side[:0:-1]] + side


def printed_slopes(w: list[float]) -> list[float]:
    """The normalised node values ``p_j``, in plain Python."""
    x = nodes()
    h = [b - a for a, b in pairwise(x)]
    total = sum(math.exp(w[i - 1]) * (h[i - 1] + h[i]) / 2 for i in range(1, 2 * M))
    mass = 2 * A - (h[0] + h[-1]) / 2
    return [1.0, *(math.exp(w[i - 1]) * mass / total for i in range(1, 2 * M)), 1.0]


def everywhere(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Rows in all cells, at the nodes, at the ends and in the tails."""
    inner = torch.linspace(-60, 60, 3001, dtype=dtype)
    return torch.cat([inner, torch.tensor(nodes(), dtype=dtype), inner / 20])[:, None].expand(-1, 2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_zero_weights_are_the_identity(dtype: torch.dtype, tolerance: float) -> None:
    x = everywhere(dtype)
    z, log_det = layer(0.0, dtype)(x)
    torch.testing.assert_close(z, x, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(log_det, torch.zeros(len(x), dtype=dtype), atol=tolerance, rtol=0)


def test_mesh_and_slopes_are_the_printed_ones() -> None:
    made = layer(1.0)
    torch.testing.assert_close(
        made.mesh, torch.tensor(nodes()).double(), atol=1e-5, rtol=1e-6, check_dtype=False
    )
    for row in range(2):
        slopes = torch.tensor(printed_slopes(made.log_weight[row].tolist())).double()
        x = made.mesh[:, None].expand(-1, 2).clone().requires_grad_()
        # At a node both neighbouring cells have the same slope.
        (gradient,) = torch.autograd.grad(made(x)[0][:, row].sum(), x)
        torch.testing.assert_close(gradient[:, row], slopes, atol=1e-6, rtol=1e-6)


def test_values_are_the_integral_of_the_slopes() -> None:
    made = layer(1.0)
    # The trapezoidal rule is exact where all nodes are among the points.
    x = torch.cat([torch.linspace(-A, A, 500).double(), made.mesh]).sort().values
    rows = x[:, None].expand(-1, 2)
    z, _ = made(rows)
    with torch.no_grad():
        for column in range(2):
            one = CDFLayer(1, bins=2 * M).double()
            one.log_weight.copy_(made.log_weight[column : column + 1])
            slope = one(x[:, None])[1].exp()
            truth = -A + torch.cumulative_trapezoid(slope, x)
            torch.testing.assert_close(z[1:, column], truth, atol=1e-10, rtol=1e-10)


def test_continuous_with_continuous_slope_also_into_the_tails() -> None:
    made = layer(1.0)
    gap = 1e-10
    below, above = (made(made.mesh[:, None].expand(-1, 2) + side * gap) for side in (-1, 1))
    torch.testing.assert_close(below[0], above[0], atol=1e-7, rtol=0)
    torch.testing.assert_close(below[1], above[1], atol=1e-7, rtol=0)
    tails = torch.tensor([[-A - 3.0, A + 7.0], [1e6, -1e6]]).double()
    z, log_det = made(tails)
    torch.testing.assert_close(z, tails, atol=1e-10, rtol=0)
    torch.testing.assert_close(log_det, torch.zeros(2).double(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_log_det_is_the_autograd_derivative(scale: float) -> None:
    made = layer(scale)
    x = everywhere().clone().requires_grad_()
    z, log_det = made(x)
    (gradient,) = torch.autograd.grad(z.sum(), x)
    torch.testing.assert_close(log_det, gradient.log().sum(1), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(
    ("scale", "dtype", "tolerance"),
    [(0.5, torch.float32, 1e-5), (0.5, torch.float64, 1e-12), (1.5, torch.float64, 1e-12)],
)
def test_the_inverse_undoes_the_layer(scale: float, dtype: torch.dtype, tolerance: float) -> None:
    made = layer(scale, dtype)
    x = everywhere(dtype)
    z, log_det = made(x)
    back, inverse_log_det = made.inverse(z)
    torch.testing.assert_close(back, x, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(inverse_log_det, -log_det, atol=10 * tolerance, rtol=tolerance)


def test_the_inverse_has_the_right_gradients() -> None:
    made = layer(0.5)
    z = torch.linspace(-3.1, 3.3, 14).double().reshape(7, 2).requires_grad_()
    inputs = (z, made.log_weight)
    assert torch.autograd.gradcheck(lambda z, _: made.inverse(z), inputs)
    assert torch.autograd.gradcheck(lambda z, _: made(z), inputs)


def test_single_precision_is_precise_near_zero() -> None:
    made = layer(1.0)
    x = torch.linspace(-1, 1, 1001).double()[:, None].expand(-1, 2)
    with torch.no_grad():
        truth = made(x)[0]
        single = made.float()(x.float())[0]
    # Slopes vary by e^3 here; units of the interval would cost 1e-4.
    assert (single.double() - truth).abs().max() < 2e-5


def test_extreme_weights_stay_finite_and_increasing() -> None:
    made = CDFLayer(2, bins=2 * M)
    with torch.no_grad():
        made.log_weight[0, ::3] = 30.0
        made.log_weight[1, 5:9] = -30.0
    x = torch.cat([everywhere(torch.float32), torch.tensor([[1e6, -1e6]])]).requires_grad_()
    z, log_det = made(x)
    back, inverse_log_det = made.inverse(z)
    (log_det.sum() + z.sum() + back.sum() + inverse_log_det.sum()).backward()
    for value in (z, log_det, back, inverse_log_det, x.grad, made.log_weight.grad):
        assert value.isfinite().all()
    assert (z[:3001].diff(dim=0) >= 0).all()


def test_an_odd_number_of_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="bins=7: expected an even number"):
        CDFLayer(2, bins=7)
