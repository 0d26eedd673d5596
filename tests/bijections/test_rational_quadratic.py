"""The rational-quadratic spline: against zuko's, at its knots, in its tails, at extremes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import jacrev, vmap
from zuko.transforms import MonotonicRQSTransform

from genlab.bijections import RationalQuadratic, Spline

BOUND = 3.0
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
DIRECTIONS = pytest.mark.parametrize("inverse", [False, True], ids=["forward", "inverse"])


def spline(bins: int = 8, dtype: torch.dtype = torch.float64) -> RationalQuadratic:
    return RationalQuadratic(bins=bins, bound=BOUND).to(dtype)


def points_and_parameters(
    g: RationalQuadratic, n: int = 400, *, scale: float = 1.0, spread: float = 1.2 * BOUND
) -> tuple[Tensor, Tensor]:
    like = {"dtype": g.spline.sums.dtype, "requires_grad": True}
    x = torch.empty(n, 2, dtype=like["dtype"]).uniform_(-spread, spread).requires_grad_()
    return x, torch.mul(scale, torch.randn(n, g.n_parameters, 2, **like)).detach().requires_grad_()


def parts(g: RationalQuadratic, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shares of width and height ``[*, K]`` and inner derivatives ``[*, K - 1]``, as documented."""
    bins, table = g.spline.bins, parameters.movedim(1, -1)
    shares = [
        1e-3 + (1 - bins * 1e-3) * torch.softmax(table[..., axis : 2 * bins : 2], -1)
        for axis in (0, 1)
    ]
    sharpness = math.log(2) / (1 - 1e-3)
    return *shares, 1e-3 + F.softplus(table[..., 2 * bins :], beta=sharpness)


def zuko_spline(g: RationalQuadratic, parameters: Tensor) -> MonotonicRQSTransform:
    """zuko's transform of the same knots; it squeezes its inputs, which is undone here."""
    slope = 1e-300
    limit = -math.log(slope)

    def unsqueeze(value: Tensor, limit: float) -> Tensor:
        return value / (1 - value.abs() / limit)

    widths, heights, derivatives = (part.log() for part in parts(g, parameters))
    return MonotonicRQSTransform(
        unsqueeze(widths, limit / 2),
        unsqueeze(heights, limit / 2),
        unsqueeze(derivatives, limit),
        bound=BOUND,
        slope=slope,
    )


@pytest.mark.parametrize("bins", [1, 2, 8, 30])
@DIRECTIONS
def test_agrees_with_zuko_in_values_log_derivatives_and_gradients(bins: int, inverse: bool) -> None:
    g = spline(bins)
    x, parameters = points_and_parameters(g)
    peer = zuko_spline(g, parameters)
    ours = g.inverse(x, parameters) if inverse else g(x, parameters)
    theirs = (peer.inv if inverse else peer).call_and_ladj(x)
    weights = torch.randn(2, *x.shape, dtype=x.dtype)
    for mine, other, weight in zip(ours, theirs, weights, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-6)
        gradients = (
            torch.autograd.grad((value * weight).sum(), (x, parameters), retain_graph=True)
            for value in (mine, other)
        )
        for mine_grad, other_grad in zip(*gradients, strict=True):
            torch.testing.assert_close(mine_grad, other_grad, atol=1e-6, rtol=1e-6)


def test_passes_through_its_knots_with_its_derivatives() -> None:
    g = spline(5)
    _, parameters = points_and_parameters(g, 30)
    widths, heights, derivatives = (part.detach() for part in parts(g, parameters))
    for k in range(4):
        x = 2 * BOUND * widths[..., : k + 1].sum(-1) - BOUND
        y = 2 * BOUND * heights[..., : k + 1].sum(-1) - BOUND
        for side in (-1e-9, 1e-9):
            z, log_derivative = g(x + side, parameters)
            torch.testing.assert_close(z, y, atol=1e-7, rtol=0)
            torch.testing.assert_close(log_derivative.exp(), derivatives[..., k], atol=1e-5, rtol=0)


@DTYPES
@DIRECTIONS
def test_the_ends_are_pinned_and_the_tails_are_the_identity(
    dtype: torch.dtype, inverse: bool
) -> None:
    g = spline(dtype=dtype)
    x = torch.tensor([-1e30, -1e6, -4.0, -BOUND, BOUND, 3.5, 1e6, 1e30], dtype=dtype)
    x = x[:, None].requires_grad_()
    parameters = torch.randn(8, g.n_parameters, 1, dtype=dtype, requires_grad=True)
    z, log_derivative = g.inverse(x, parameters) if inverse else g(x, parameters)
    torch.testing.assert_close(z, x, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(log_derivative, torch.zeros_like(z), rtol=0, atol=1e-6)
    # A batch of tails only: it pulls at no knot, and each point at itself.
    outside = torch.ones(8, 1, dtype=dtype)
    outside[3:5] = 0
    z_grad, p_grad = torch.autograd.grad(((z + log_derivative) * outside).sum(), (x, parameters))
    torch.testing.assert_close(z_grad, outside)
    torch.testing.assert_close(p_grad, torch.zeros_like(p_grad), rtol=0, atol=1e-5)


@DTYPES
@DIRECTIONS
@pytest.mark.parametrize("scale", [10.0, 1e3, 1e6])
def test_values_and_gradients_stay_finite_at_extreme_parameters(
    dtype: torch.dtype, inverse: bool, scale: float
) -> None:
    g = spline(dtype=dtype)
    x, parameters = points_and_parameters(g, scale=scale)
    z, log_derivative = g.inverse(x, parameters) if inverse else g(x, parameters)
    (z + log_derivative).sum().backward()
    for values in (z, log_derivative, x.grad, parameters.grad):
        assert values is not None
        assert values.isfinite().all()


@DTYPES
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_increases_and_stays_inside(dtype: torch.dtype, scale: float) -> None:
    g = spline(dtype=dtype)
    _, parameters = points_and_parameters(g, 1, scale=scale)
    x = torch.linspace(-BOUND, BOUND, 20_000, dtype=dtype)[:, None].expand(-1, 2)
    z, _ = g(x, parameters.expand(len(x), -1, -1))
    steps = z.diff(dim=0)
    assert (steps >= (0 if dtype == torch.float64 else -1e-6)).all()
    assert (z.abs() <= BOUND * (1 + 1e-6)).all()


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_round_trip_in_double_precision(scale: float) -> None:
    g = spline()
    x, parameters = points_and_parameters(g, 5000, scale=scale)
    z, log_derivative = g(x, parameters)
    back, inverse_log = g.inverse(z, parameters)
    # What rounding does to z, the inverse multiplies by its own derivative.
    error = (back - x).abs() / (1 + (-log_derivative).exp())
    assert error.max() < 1e-12
    log_error = (inverse_log + log_derivative).abs() / (1 + (-log_derivative).exp())
    assert log_error.max() < 1e-9


def test_parameters_of_zero_give_the_identity() -> None:
    g = spline()
    x, parameters = points_and_parameters(g)
    z, log_derivative = g(x, torch.zeros_like(parameters))
    torch.testing.assert_close(z, x)
    torch.testing.assert_close(log_derivative, torch.zeros_like(x))


@DIRECTIONS
def test_first_and_second_derivatives_are_those_of_finite_differences(inverse: bool) -> None:
    g = spline(2)
    x, parameters = points_and_parameters(g, 3, spread=2.5)
    function = g.inverse if inverse else g
    assert torch.autograd.gradcheck(function, (x, parameters))
    assert torch.autograd.gradgradcheck(function, (x, parameters))


def test_maps_of_batches_and_jacobians_compose() -> None:
    g = spline(4)
    x, parameters = points_and_parameters(g, 6)

    def one(x: Tensor, parameters: Tensor) -> Tensor:
        return g(x[None], parameters[None])[0][0]

    jacobian = vmap(jacrev(one))(x, parameters)
    torch.testing.assert_close(jacobian, g(x, parameters)[1].exp().diag_embed())


@DTYPES
def test_an_empty_batch(dtype: torch.dtype) -> None:
    g = spline(dtype=dtype)
    z, log_derivative = g(torch.zeros(0, 2, dtype=dtype), torch.zeros(0, 23, 2, dtype=dtype))
    assert z.shape == log_derivative.shape == (0, 2)


def test_images_are_mapped_pixel_by_pixel() -> None:
    g = spline(4)
    x = torch.randn(3, 2, 4, 5, dtype=torch.float64)
    parameters = torch.randn(3, g.n_parameters, 2, 4, 5, dtype=torch.float64)
    flat, flat_log = g(x.flatten(1), parameters.flatten(2))
    z, log_derivative = g(x, parameters)
    torch.testing.assert_close(z.flatten(1), flat)
    torch.testing.assert_close(log_derivative.flatten(1), flat_log)


def test_half_precision_does_not_merge_knots() -> None:
    g = spline(16, torch.float32)
    x, parameters = points_and_parameters(g, scale=3.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, log_derivative = g(x, parameters)
    torch.testing.assert_close(z, g(x, parameters)[0], atol=1e-3, rtol=0)
    assert log_derivative.isfinite().all()


def test_too_many_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="bins: expected fewer than 1000, got 1000"):
        Spline(bins=1000, bound=1.0)
