"""Derivatives that are carried forward, against those of autograd."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from genlab.nn import MLP
from genlab.nn.smooth import SmoothActivation
from genlab.pde import Jet, differentiate, propagate, record

TIGHT = {"atol": 1e-12, "rtol": 1e-12}


def by_autograd(network: MLP, x: Tensor, space: int, scale: Tensor) -> Jet:
    x = x.clone().requires_grad_()
    value = network(scale * x).squeeze(1)
    (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    columns = [
        torch.autograd.grad(gradient[:, i].sum(), x, create_graph=True)[0][:, i]
        for i in range(space)
    ]
    return Jet(value, gradient, torch.stack(columns).sum(0))


@pytest.mark.parametrize("activation", get_args(SmoothActivation))
@pytest.mark.parametrize(("dim", "space"), [(2, 2), (2, 1), (5, 5)])
def test_value_gradient_and_laplacian(activation: str, dim: int, space: int) -> None:
    network = MLP(dim, 1, hidden=[7, 9, 8], activation=activation).double()  # type: ignore[arg-type]
    x, scale = torch.randn(6, dim).double(), torch.rand(dim).double() + 0.5
    found = propagate(network, activation, x, space, scale)  # type: ignore[arg-type]
    expected = by_autograd(network, x, space, scale)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **TIGHT)

    def loss(u: Jet) -> Tensor:
        return (u.value * u.gradient.sum(1) + u.laplacian.square()).sum()

    parameters = list(network.parameters())
    slopes = torch.autograd.grad(loss(found), parameters)
    for one, other in zip(slopes, torch.autograd.grad(loss(expected), parameters), strict=True):
        torch.testing.assert_close(one, other, **TIGHT)


def test_products_and_sums() -> None:
    x = torch.randn(20, 3).double()

    def one(x: Tensor) -> Tensor:
        return torch.sin(x[:, 0]) * x[:, 2] ** 2

    def other(x: Tensor) -> Tensor:
        return torch.exp(x[:, 1] - x[:, 0])

    u, v = differentiate(one, x, 2), differentiate(other, x, 2)
    expected = differentiate(lambda x: one(x) * other(x) + one(x), x, 2)
    for a, b in zip(u.times(v, 2).plus(u), expected, strict=True):
        torch.testing.assert_close(a, b, **TIGHT)


def test_functions_without_slopes() -> None:
    x = torch.randn(4, 2)
    constant = differentiate(lambda x: torch.ones(len(x)), x, 2)
    assert constant.gradient.abs().max() == constant.laplacian.abs().max() == 0
    linear = differentiate(lambda x: x[:, 0], x, 2)
    assert linear.gradient.tolist() == [[1.0, 0.0]] * 4


@pytest.mark.parametrize("activation", get_args(SmoothActivation))
@pytest.mark.parametrize(("dim", "space"), [(2, 2), (2, 1), (5, 5)])
def test_the_jacobian_of_any_operator_is_that_of_autograd(
    activation: SmoothActivation, dim: int, space: int
) -> None:
    network = MLP(dim, 1, hidden=[7, 9, 8], activation=activation).double()
    x, scale = torch.randn(6, dim).double(), torch.rand(dim).double() + 0.5

    def operator(u: Jet) -> Tensor:
        return u.value**3 + u.value * u.gradient[:, 0] * x[:, 0] - torch.sin(u.laplacian)

    r, jacobian = record(network, activation, x, space, scale).jacobian(operator)
    expected = operator(by_autograd(network, x, space, scale))
    torch.testing.assert_close(r, expected, **TIGHT)
    for found, row in zip(jacobian, expected, strict=True):
        slopes = torch.autograd.grad(row, list(network.parameters()), retain_graph=True)
        torch.testing.assert_close(found, torch.cat([s.flatten() for s in slopes]), **TIGHT)
