"""Derivatives that are carried forward, against those of autograd."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, jacrev
from torch.func import hessian as hessian_of

from genlab.nn import MLP
from genlab.nn.smooth import SmoothActivation
from genlab.pde import Jet, Jets, Order, differentiate, embed, jets_of, propagate, record

TIGHT = {"atol": 1e-12, "rtol": 1e-12}
ORDERS: tuple[Order, ...] = get_args(Order)


def of_point(
    network: MLP, parameters: dict[str, Tensor], x: Tensor, space: int, order: Order, read: Any
) -> Jets:
    """The jets at one point, by `torch.func`."""

    def u(x: Tensor) -> Tensor:
        value: Tensor = functional_call(network, parameters, (read(x[None]),))[0]
        return value

    value, gradient, hessian = u(x), jacrev(u)(x), hessian_of(u)(x)
    jets = []
    for k in range(len(value)):
        laplacian = hessian[k].diagonal()[:space].sum()
        parts = (value[k], gradient[k], laplacian, hessian[k])
        jets.append(Jet(*(part[None] for part in parts[: 1 + ORDERS.index(order)])))
    return jets[0] if len(jets) == 1 else tuple(jets)


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


def some_operator(order: Order, u: Jets, x: Tensor, equations: int, seed: int) -> Tensor:
    """Sums of products of what the jets hold, and of the points, with random coefficients."""
    draw = torch.Generator().manual_seed(seed)
    holds = [x]
    for jet in jets_of(u):
        holds += [
            part.flatten(1) if part.ndim > 1 else part[:, None] for part in jet if part is not None
        ]
    terms = torch.cat(holds, 1)
    k = terms.shape[1]
    columns = []
    for _ in range(equations):
        linear = torch.randn(k, generator=draw).to(terms)
        bilinear = torch.randn(k, k, generator=draw).to(terms) / k
        columns.append(terms @ linear + ((terms @ bilinear) * terms).sum(1) + terms[:, -1].sin())
    return columns[0] if equations == 1 else torch.stack(columns, 1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("activation", "dim", "space", "outputs", "equations", "periodic"),
    [
        ("tanh", 2, 2, 1, 1, ()),
        ("gelu", 2, 1, 1, 2, (0,)),
        ("tanh", 2, 2, 3, 3, ()),
        ("silu", 3, 2, 2, 1, (0, 2)),
        ("softplus", 4, 3, 2, 3, (1,)),
    ],
)
def test_random_systems_and_their_jacobians_are_those_of_autograd(
    activation: SmoothActivation,
    dim: int,
    space: int,
    outputs: int,
    equations: int,
    periodic: tuple[int, ...],
    order: Order,
) -> None:
    """All derivatives of all components, and ``dr_i / dtheta`` of operators that mix them."""
    network = MLP(dim + len(periodic), outputs, hidden=[6, 5, 6], activation=activation).double()
    x, scale = torch.randn(5, dim).double(), torch.rand(dim).double() + 0.5
    settings = {"order": order, "periodic": periodic}
    u = propagate(network, activation, x, space, scale, **settings)  # type: ignore[arg-type]
    parameters = dict(network.named_parameters())

    def read(x: Tensor) -> Tensor:
        return embed(x * scale, periodic) if periodic else x * scale

    def residual(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        jets = of_point(network, parameters, x, space, order, read)
        return some_operator(order, jets, x[None], equations, 0)

    for i, point in enumerate(x):
        expected = jets_of(of_point(network, parameters, point, space, order, read))
        for one, other in zip(jets_of(u), expected, strict=True):
            for a, b in zip(one.rows(slice(i, i + 1)), other, strict=True):
                torch.testing.assert_close(a, b, **TIGHT)
    tape = record(network, activation, x, space, scale, **settings)  # type: ignore[arg-type]
    r, jacobian = tape.jacobian(lambda u: some_operator(order, u, x, equations, 0))
    assert jacobian.shape == (5 * equations, sum(p.numel() for p in network.parameters()))
    for i, point in enumerate(x):
        own = slice(i * equations, (i + 1) * equations)
        torch.testing.assert_close(r[own], residual(parameters, point).flatten(), **TIGHT)
        parts = jacrev(residual)(parameters, point).values()
        expected_rows = torch.cat([part.reshape(equations, -1) for part in parts], 1)
        torch.testing.assert_close(jacobian[own], expected_rows, atol=1e-10, rtol=1e-10)
    # The same by the graph that Adam takes its gradients of.
    gradient = torch.autograd.grad(
        some_operator(order, u, x, equations, 0).square().sum(), [*network.parameters()]
    )
    flat = torch.cat([part.flatten() for part in gradient])
    torch.testing.assert_close(flat, 2 * r @ jacobian, atol=1e-9, rtol=1e-9)


def test_rows_that_depend_on_more_than_the_network() -> None:
    """Unknown numbers have the last columns; two points may make one row."""
    network = MLP(2, 2, hidden=[7, 6], activation="tanh").double()
    x, scale = torch.randn(8, 2).double(), torch.ones(2).double()
    unknowns = torch.tensor([0.3, -1.2]).double()

    def operator(u: tuple[Jet, Jet], c: Tensor) -> Tensor:
        u, v = u
        first = u.hessian[:, 0, 1] * c[:, 0].exp() + v.value * u.hessian[:, 1, 1]
        return torch.stack((first, c[:, 1] * c[:, 0] * u.value - v.laplacian), 1)

    tape = record(network, "tanh", x, 1, scale, order="hessian")
    _, jacobian = tape.jacobian(operator, unknowns)
    names = [name for name, _ in network.named_parameters()]

    def residual(parameters: list[Tensor], c: Tensor, x: Tensor) -> Tensor:
        jets = of_point(
            network, dict(zip(names, parameters, strict=True)), x, 1, "hessian", lambda x: x
        )
        return operator(jets, c[None])[0]  # type: ignore[arg-type]

    def rows(x: Tensor) -> Tensor:
        by_theta, by_c = jacrev(residual, (0, 1))([*network.parameters()], unknowns, x)
        return torch.cat([*(part.reshape(2, -1) for part in by_theta), by_c], 1)

    expected = torch.cat([rows(point) for point in x])
    assert jacobian.shape == (16, expected.shape[1])
    torch.testing.assert_close(jacobian, expected, atol=1e-10, rtol=1e-10)

    def across(u: tuple[Jet, Jet]) -> Tensor:
        low, high = u[0].value.chunk(2)
        left, right = u[1].gradient[:, 0].chunk(2)
        return torch.stack((high * low, left - right), 1)

    tape = record(network, "tanh", x, 1, scale, order="gradient")
    _, jacobian = tape.jacobian(across)
    u = propagate(network, "tanh", x, 1, scale, order="gradient")
    for found, row in zip(jacobian, across(u).flatten(), strict=True):  # type: ignore[arg-type]
        slopes = torch.autograd.grad(row, [*network.parameters()], retain_graph=True)
        torch.testing.assert_close(found, torch.cat([s.flatten() for s in slopes]), **TIGHT)


def test_hessians_of_products_and_of_several_components() -> None:
    x = torch.randn(20, 3).double()

    def both(x: Tensor) -> Tensor:
        return torch.stack((x[:, 0].sin() * x[:, 2] ** 2 * x[:, 1], (x[:, 1] - x[:, 0]).exp()), 1)

    jets = differentiate(both, x, 2, "hessian")
    assert isinstance(jets, tuple)
    u, v = jets
    expected = differentiate(lambda x: both(x).prod(1) + both(x)[:, 0], x, 2, "hessian")
    for a, b in zip(u.times(v, 2).plus(u), expected, strict=True):
        torch.testing.assert_close(a, b, **TIGHT)
    torch.testing.assert_close(u.hessian[:, 0, 2], 2 * x[:, 0].cos() * x[:, 2] * x[:, 1])
    torch.testing.assert_close(u.hessian[:, :2, :2].diagonal(dim1=1, dim2=2).sum(1), u.laplacian)
