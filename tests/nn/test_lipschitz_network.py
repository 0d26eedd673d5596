"""Networks of bounded Lipschitz constant: the bound, and the Jacobians in factors."""

from __future__ import annotations

import math

import pytest
import torch
from properties import disturb
from torch.func import jacrev, vmap

from genlab.nn import LipschitzConvNet, LipschitzMLP, LipschitzNetwork
from genlab.nn.lipschitz_network import LIPSCHITZ_ACTIVATIONS

NETWORKS = {
    "one-hidden": lambda **o: LipschitzMLP(3, 4, hidden=[20], bound=0.98, **o),
    "two-hidden": lambda **o: LipschitzMLP(3, 4, hidden=[20, 9], bound=0.98, **o),
    "three-hidden": lambda **o: LipschitzMLP(3, 1, hidden=[7, 9, 5], bound=0.98, **o),
    "conv": lambda **o: LipschitzConvNet(
        2, (2, 4, 3), hidden=[5, 3], kernel_size=3, bound=0.98, **o
    ),
}


@pytest.fixture(params=["sine", "lipswish"])
def activation(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest, activation: str) -> LipschitzNetwork:
    return disturb(NETWORKS[request.param](activation=activation, context_dim=3)).double().eval()


def test_values_differ_by_no_more_than_the_bound_allows(network: LipschitzNetwork) -> None:
    context = torch.randn(2000, 3, dtype=torch.float64)
    x = torch.randn(2000, *network.event_shape, dtype=torch.float64)
    bounds = network.lipschitz()
    assert (bounds <= 0.98 * (1 + 1e-4)).all()
    for bound, g in zip(bounds, network.at(context).each, strict=True):
        for distance in (1e-4, 0.1, 3.0):
            y = x + distance * torch.randn_like(x)
            ratio = (g(x) - g(y)).flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
            assert ratio.max() <= bound
            assert ratio.max() > 0.01


def test_the_jacobian_in_factors_is_that_of_autograd(network: LipschitzNetwork) -> None:
    context = torch.randn(5, 3, dtype=torch.float64)
    x = torch.randn(5, *network.event_shape, dtype=torch.float64)
    functions = network.at(context)
    values, slopes = zip(*(g.linearise(x) for g in functions.each), strict=True)
    jacobians = functions.jacobians(slopes)
    truth = []
    for index, (g, value) in enumerate(zip(functions.each, values, strict=True)):
        torch.testing.assert_close(value, g(x))

        def one(x: torch.Tensor, c: torch.Tensor, index: int = index) -> torch.Tensor:
            return network.at(c[None]).each[index](x[None])[0]

        truth.append(vmap(jacrev(one))(x, context).flatten(-len(x.shape) + 1).flatten(1, -2))
    explicit = torch.stack(truth)
    torch.testing.assert_close(jacobians.jacobian().mT, explicit)
    tangent = torch.randn(len(truth), *x.shape, dtype=torch.float64)
    flat = tangent.flatten(2)[..., None]
    torch.testing.assert_close(jacobians.jvp(tangent).flatten(2), (explicit @ flat)[..., 0])
    torch.testing.assert_close(jacobians.vjp(tangent).flatten(2), (explicit.mT @ flat)[..., 0])
    part = next(jacobians.split(1)).rows(slice(2, 4))
    torch.testing.assert_close(part.jacobian().mT, explicit[:1, 2:4])
    order = torch.randint(5, (len(truth), 7))
    chosen = jacobians.rows(order).jacobian().mT
    torch.testing.assert_close(chosen[-1], explicit[-1, order[-1]])


def test_a_slope_of_at_most_one_that_is_the_derivative(activation: str) -> None:
    smooth = LIPSCHITZ_ACTIVATIONS[activation]
    x = torch.linspace(-30, 30, 60_001, dtype=torch.float64, requires_grad=True)
    value, slope = smooth.with_slope(x)
    torch.testing.assert_close(value, smooth.value(x))
    torch.testing.assert_close(slope, torch.autograd.grad(smooth.value(x).sum(), x)[0])
    assert 0.9998 < slope.abs().max() <= 1
    few = torch.randn(8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(smooth.with_slope, few)
    assert torch.autograd.gradgradcheck(smooth.with_slope, few)


def test_a_wide_network_is_not_nearly_linear(activation: str) -> None:
    network = LipschitzMLP(1, 2, hidden=[256, 256], activation=activation, bound=0.98).eval()
    (g,) = network.at(None).each
    _, slopes = g.linearise(torch.randn(500, 2))
    for slope in slopes:
        assert slope.std(0).median() > 0.1


def test_sharpness_leaves_the_bound_alone() -> None:
    network = LipschitzMLP(1, 2, hidden=[16], activation="sine", bound=0.98).double().eval()
    before = network.lipschitz()
    with torch.no_grad():
        network.log_sharpness[0].add_(math.log(1000.0))
    torch.testing.assert_close(network.lipschitz(), before)
    (g,) = network.at(None).each
    x = torch.randn(4000, 2, dtype=torch.float64)
    y = x + 1e-3 * torch.randn_like(x)
    assert ((g(x) - g(y)).norm(dim=1) <= before * (x - y).norm(dim=1)).all()
