"""Networks of systems, with conditions, coefficients and periodic coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genlab.pde import (
    Box,
    Cavity,
    Coefficient,
    Condition,
    Faces,
    Initial,
    InverseDiffusion,
    Jet,
    Kovasznay,
    Neumann,
    Periodic,
    Problem,
    Robin,
    Wave,
    differentiate,
    jets_of,
    squared,
)
from genlab.pinn import Network, SquaredGradient, SquaredResidual
from genlab.pinn.judge import Judge
from genlab.pinn.network import Term
from genlab.pinn.rows import Rows

TIGHT = {"atol": 1e-10, "rtol": 1e-10}
BOX = Box([(0.0, 2.0), (0.0, 1.0)])


class Ring(Problem):
    """A wave on a ring that two unknown numbers shape; one side of it is described once more."""

    periodic = (0,)
    coefficients = {  # noqa: RUF012
        "speed": Coefficient(2.0, exact=2.5),
        "drift": Coefficient(-1.0, positive=False, scale=0.5),
    }

    def operator(self, x: Tensor, u: Jet, speed: Tensor, drift: Tensor) -> Tensor:
        bent = u.hessian[:, 1, 1] - speed**2 * u.hessian[:, 0, 0]
        return bent + drift * u.value * u.hessian[:, 0, 1]

    def prescribed(self, x: Tensor) -> Tensor:
        return torch.sin(math.pi * x[:, 0])

    def conditions(self) -> tuple[Condition, ...]:
        return (
            Periodic(BOX, 0),
            Neumann(Faces(BOX, [(1, "high")]), lambda x: x[:, 0]),
        )


class Pair(Problem):
    """Two components, of which a condition of its own tells one."""

    components = ("u", "v")
    prescribed_components = ("v",)

    def operator(self, x: Tensor, u: tuple[Jet, Jet]) -> Tensor:
        u, v = u
        return torch.stack((u.laplacian * v.value, v.laplacian + u.gradient[:, 1]), 1)

    def exact(self, x: Tensor) -> Tensor:
        return torch.stack((x[:, 0], x.prod(1)), 1)

    def conditions(self) -> tuple[Condition, ...]:
        return (
            Robin(Faces(BOX), lambda x: x[:, 1], a=1.0, b=2.0, components=("u",)),
            Initial(Faces(BOX, [(1, "low")]), self.exact, self.exact, weight=0.5),
        )


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "wave": Wave,
    "kovasznay": Kovasznay,
    "cavity": Cavity,
    "inverse": InverseDiffusion,
    "ring": lambda: Ring(BOX, Faces(BOX, [(1, "low")]), n_points=20, space=1),
    "pair": lambda: Pair(BOX, Faces(BOX), n_points=20),
}


def network(name: str, boundary: str = "auto") -> Network:
    u = Network(
        PROBLEMS[name](),
        hidden=[6, 5],
        activation="tanh",
        boundary=boundary,  # type: ignore[arg-type]
        boundary_points=7,
    ).double()
    if u.unknowns is not None:
        torch.nn.init.normal_(u.unknowns.weight)
    return u


def points(u: Network, n: int = 11) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return u.problem.domain.sample(n, generator=draw, dtype=torch.float64)


def flat(parts: object) -> Tensor:
    return torch.cat([part.flatten() for part in parts])  # type: ignore[attr-defined]


@pytest.mark.parametrize("boundary", ["hard", "soft"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_jets_are_those_of_u(name: str, boundary: str) -> None:
    u = network(name, boundary)
    x, problem = points(u), u.problem
    frame = u.frame(x)
    expected = differentiate(u, x, problem.space, problem.order)
    for one, other in zip(jets_of(u.jet(frame)), jets_of(expected), strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, **TIGHT)
    found = {name: value.expand(len(x)) for name, value in u.coefficients.items()}
    torch.testing.assert_close(u.residual(frame), problem.residual(x, expected, **found), **TIGHT)
    torch.testing.assert_close(u.residual(frame.rows(slice(3, 9))), u.residual(frame)[3:9])


@pytest.mark.parametrize("name", ["kovasznay", "cavity", "pair", "wave"])
def test_a_hard_boundary_holds_what_is_prescribed(name: str) -> None:
    u = network(name, "hard")
    problem = u.problem
    edge = problem.boundary.sample(50, generator=torch.Generator().manual_seed(0)).double()
    held = problem.places(problem.prescribed_components)
    values = problem.prescribed(edge).view(50, -1)
    torch.testing.assert_close(u(edge).view(50, -1)[:, held], values, atol=1e-6, rtol=0)


@pytest.mark.parametrize("boundary", ["hard", "soft"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_all_rows_have_the_jacobian_of_autograd(name: str, boundary: str) -> None:
    u = network(name, boundary)
    terms = u.conditions(torch.Generator().manual_seed(0))
    assert len(terms) == len(u.problem.conditions()) + (
        0 if boundary == "hard" else len(u.problem.essential())
    )
    frame = u.frame(points(u))
    rows = Rows(u, [Term(frame, u.residual, torch.rand(11).double()), *terms])
    r, jacobian = rows.linearise(rows.theta)
    assert jacobian.shape == (len(r), len(rows.theta))
    parameters = [*u.parameters()]
    torch.testing.assert_close(rows.rows(rows.theta), r, **TIGHT)
    row = torch.cat([t.weighted(t.frame, u.jet(t.frame)).flatten() for t in rows.terms])
    torch.testing.assert_close(row, r, **TIGHT)
    for found, one in zip(jacobian, row, strict=True):
        slopes = torch.autograd.grad(one, parameters, retain_graph=True, materialize_grads=True)
        torch.testing.assert_close(found, flat(slopes), **TIGHT)
    # Without the Jacobian, what multiplies by it.
    same, ahead, back = rows.products(rows.theta)
    torch.testing.assert_close(same, r, **TIGHT)
    v, w = torch.randn_like(rows.theta), torch.randn_like(r)
    torch.testing.assert_close(ahead(v), jacobian @ v, **TIGHT)
    torch.testing.assert_close(back(w), w @ jacobian, **TIGHT)
    # What Adam lowers is the same number.
    torch.testing.assert_close(
        u.miss(terms), rows.rows(rows.theta)[terms_begin(rows) :].square().sum()
    )


class Insulated(Problem):
    """``lap u = u`` in a plate of which no value is known, but those of its slopes."""

    def operator(self, x: Tensor, u: Jet) -> Tensor:
        return u.laplacian - u.value

    def conditions(self) -> tuple[Condition, ...]:
        return (Neumann(Faces(BOX), lambda x: x[:, 0]),)


@pytest.mark.parametrize("boundary", ["auto", "soft"])
def test_no_value_has_to_be_prescribed(boundary: str) -> None:
    problem = Insulated(BOX, Faces(BOX, []), n_points=10)
    u = Network(problem, hidden=[4], boundary=boundary)  # type: ignore[arg-type]
    x = torch.rand(5, 2)
    free = u.layers((x - u.centre) * u.scale).squeeze(1)
    torch.testing.assert_close(u(x), free)
    [term] = u.conditions(None)
    assert term.frame.order == "gradient"
    assert u.miss([term]) > 0


def terms_begin(rows: Rows) -> int:
    return rows.network.residual(rows.terms[0].frame).numel()


def test_a_periodic_network_is_periodic() -> None:
    u = network("ring")
    x = points(u)
    torch.testing.assert_close(u(x), u(x + torch.tensor([2.0, 0.0]).double()), **TIGHT)
    periodic, _ = u.conditions(None)
    sides = periodic.value(periodic.frame, u.jet(periodic.frame))
    torch.testing.assert_close(sides, torch.zeros_like(sides), atol=1e-12, rtol=0)


def test_coefficients_start_where_they_are_told_and_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("genlab.pde.problem.SIDE", 8)
    u = Network(PROBLEMS["ring"](), hidden=[4], activation="tanh")
    found = {name: value.item() for name, value in u.coefficients.items()}
    assert found == {"speed": 2.0, "drift": -1.0}
    with torch.no_grad():
        assert u.unknowns is not None
        u.unknowns.weight.copy_(torch.tensor([math.log(2.0), 2.0]))
    metrics = Judge(u.problem).metrics(u)
    assert metrics["coefficient/speed"] == pytest.approx(4.0)
    assert metrics["coefficient/drift"] == pytest.approx(0.0)
    assert metrics["coefficient_error/speed"] == pytest.approx(0.6)
    assert "coefficient_error/drift" not in metrics
    truths = {name: one._replace(exact=0.0) for name, one in u.problem.coefficients.items()}
    monkeypatch.setattr(u.problem, "coefficients", truths)
    assert math.isnan(Judge(u.problem).metrics(u)["coefficient_error/drift"])
    assert "relative_l2" not in metrics


def test_a_pressure_is_judged_without_its_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genlab.pde.problem.SIDE", 16)
    problem = Kovasznay()
    u = Network(problem, hidden=[4], activation="tanh", boundary="soft").double()
    shift = torch.tensor([0.0, 0.0, 5.0]).double()
    monkeypatch.setattr(u, "forward", lambda x: problem.exact(x) + shift)
    metrics = Judge(problem).metrics(u)
    assert metrics["relative_l2"] < 1e-14
    shift[1] = 0.1
    metrics = Judge(problem).metrics(u)
    exact = problem.reference().exact
    assert exact is not None
    exact = exact - exact.mean(0) * torch.tensor([0, 0, 1])
    assert metrics["relative_l2/u"] < 1e-14
    assert metrics["relative_l2/p"] < 1e-14
    expected = 0.1 * len(exact) ** 0.5
    assert metrics["relative_l2/v"] == pytest.approx(expected / float(exact[:, 1].norm()))
    assert metrics["relative_l2"] == pytest.approx(expected / float(exact.norm()))
    assert metrics["max_error"] == pytest.approx(0.1)
    assert metrics["conditions"] > 0


def test_indicators_of_systems_sum_over_equations_and_components() -> None:
    u = network("pair")
    frame = u.frame(points(u))
    jets = u.jet(frame)
    residual = u.residual(frame, jets)
    torch.testing.assert_close(SquaredResidual()(jets, residual), residual.square().sum(1))
    torch.testing.assert_close(squared(residual), residual.square().sum(1))
    expected = sum(one.gradient.square().sum(1) for one in jets_of(jets))
    torch.testing.assert_close(SquaredGradient()(jets, residual), expected)
