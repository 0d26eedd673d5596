"""Splines of the circle: across the cut, round the circle, beside plain coordinates."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genlab.bijections import CircularSpline, Mixed, RationalQuadratic
from genlab.nn import wrap


def spline_and_parameters(n: int = 1, dim: int = 3) -> tuple[CircularSpline, Tensor]:
    g = CircularSpline(bins=5).double()
    return g, torch.randn(n, g.n_parameters, dim, dtype=torch.float64)


@pytest.mark.parametrize("inverse", [False, True], ids=["forward", "inverse"])
def test_is_continuously_differentiable_across_the_cut(inverse: bool) -> None:
    g, parameters = spline_and_parameters()
    function = g.inverse if inverse else g
    # The cut of x, and the place that the phase turns to the cut of z.
    where_cut = g.inverse(torch.full((1, 3), math.pi).double(), parameters)[0]
    step = 1e-9
    for x in (torch.full((1, 3), math.pi).double(), where_cut):
        (low, low_log), (high, high_log) = (function(x + e, parameters) for e in (-step, step))
        torch.testing.assert_close(wrap(high - low), torch.zeros_like(x), atol=1e-7, rtol=0)
        torch.testing.assert_close(low_log, high_log, atol=1e-6, rtol=0)


def test_covers_the_circle_once() -> None:
    g, parameters = spline_and_parameters()
    x = torch.linspace(-math.pi, math.pi, 4001, dtype=torch.float64)[:, None].expand(-1, 3)
    z, log_derivative = g(x, parameters.expand(4001, -1, -1))
    steps = wrap(z.diff(dim=0))
    assert (steps > 0).all()
    torch.testing.assert_close(steps.sum(0), torch.full((3,), 2 * math.pi).double())
    # The mean derivative over the circle is 1.
    mean = log_derivative[:-1].exp().mean(0)
    torch.testing.assert_close(mean, torch.ones(3).double(), atol=1e-3, rtol=0)


def test_full_turns_change_nothing() -> None:
    g, parameters = spline_and_parameters(50)
    x = wrap(10 * torch.randn(50, 3, dtype=torch.float64))
    for function in (g, g.inverse):
        z, log_derivative = function(x, parameters)
        for turns in (-3, 1, 100):
            turned, turned_log = function(x + 2 * math.pi * turns, parameters)
            torch.testing.assert_close(wrap(turned - z), torch.zeros_like(z), atol=1e-9, rtol=0)
            torch.testing.assert_close(turned_log, log_derivative, atol=1e-9, rtol=0)
        assert (z.abs() <= math.pi).all()


def test_the_phase_turns_the_circle() -> None:
    g, parameters = spline_and_parameters()
    x = wrap(torch.randn(1, 3, dtype=torch.float64))
    turned = parameters.clone()
    turned[:, -1] += 2.5
    torch.testing.assert_close(
        wrap(g(x, turned)[0] - g(x, parameters)[0]), torch.full((1, 3), 2.5).double()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_the_ends_of_the_circle_are_safe(dtype: torch.dtype) -> None:
    g = CircularSpline(bins=4).to(dtype)
    pi = torch.tensor(math.pi, dtype=dtype)
    x = torch.stack([pi, -pi, pi.nextafter(pi + 1), -pi.nextafter(pi + 1), 3 * pi, 0 * pi])
    x = x[:, None].requires_grad_()
    parameters = torch.randn(6, g.n_parameters, 1, dtype=dtype, requires_grad=True)
    for function in (g, g.inverse):
        z, log_derivative = function(x, parameters)
        gradients = torch.autograd.grad((z + log_derivative).sum(), (x, parameters))
        assert all(values.isfinite().all() for values in (z, log_derivative, *gradients))


def test_a_mixed_map_is_each_map_on_its_own_coordinates() -> None:
    plain, special = RationalQuadratic(bins=5, bound=3.0), CircularSpline(bins=5)
    which = (True, False, False, True, False)
    g = Mixed(plain, special, which).double()
    x = 2 * torch.randn(20, 5, dtype=torch.float64)
    parameters = torch.randn(20, g.n_parameters, 5, dtype=torch.float64)
    for name in ("forward", "inverse"):
        z, log_derivative = getattr(g, name)(x, parameters)
        for i, is_special in enumerate(which):
            one = special if is_special else plain
            column = slice(i, i + 1)
            truth = getattr(one, name)(
                x[:, column], parameters[:, : one.n_parameters, column].contiguous()
            )
            torch.testing.assert_close(z[:, column], truth[0])
            torch.testing.assert_close(log_derivative[:, column], truth[1])


def test_parts_of_a_mixed_map() -> None:
    plain, special = RationalQuadratic(bins=5, bound=3.0), CircularSpline(bins=5)
    g = Mixed(plain, special, (True, True, False, False))
    assert g.part(slice(0, 2)) is special
    assert g.part(slice(2, 4)) is plain
    middle = g.part(slice(1, 3))
    assert isinstance(middle, Mixed)
    assert middle.which == (True, False)
    assert plain.part(slice(0, 1)) is plain
