"""The network u: its boundary, its residual, and the loss on weighted points."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch

from genlab.errors import UserError
from genlab.pde import (
    Burgers,
    Corner,
    CustomProblem,
    DiskPeak,
    Jet,
    Linear10,
    Peak,
    Problem,
    differentiate,
)
from genlab.pinn import Network, SquaredGradient, SquaredResidual, WeightedSum
from genlab.pinn.learner import domain_mean

TIGHT = {"atol": 1e-10, "rtol": 1e-10}


def network(problem: Problem, boundary: str = "auto") -> Network:
    return Network(
        problem,
        hidden=[8, 8],
        activation="tanh",
        gain=1.0,
        boundary=boundary,  # type: ignore[arg-type]
        boundary_weight=2.0,
        boundary_points=50,
    ).double()


@pytest.mark.parametrize("problem", [Peak(A=3.0, n_points=1), Burgers(n_points=1)])
def test_a_hard_boundary_holds_and_the_jet_is_that_of_u(problem: Problem) -> None:
    u = network(problem)
    draw = torch.Generator().manual_seed(0)
    edge = problem.boundary.sample(100, generator=draw, dtype=torch.float64)
    torch.testing.assert_close(u(edge), problem.prescribed(edge), **TIGHT)
    x = problem.domain.sample(50, generator=draw, dtype=torch.float64)
    frame = u.frame(x)
    expected = differentiate(u, x, problem.space)
    for one, other in zip(u.jet(frame), expected, strict=True):
        torch.testing.assert_close(one, other, **TIGHT)
    torch.testing.assert_close(u.residual(frame), problem.residual(x, expected), **TIGHT)
    torch.testing.assert_close(u.residual(frame.rows(slice(3, 9))), u.residual(frame)[3:9])


def test_a_boundary_is_hard_where_it_can_be() -> None:
    corner, disk = Corner(n_points=1), DiskPeak(A=10.0, n_points=1)
    assert not network(corner).hard
    assert network(disk).hard
    assert not network(disk, "soft").hard
    with pytest.raises(UserError, match="use `boundary='soft'`"):
        network(corner, "hard")
    u = network(corner)
    [term] = u.conditions(None, 20)
    x = term.frame.x
    expected = 2 * (u(x) - corner.exact(x)).square().mean()
    torch.testing.assert_close(u.miss([term]), expected)


def box(dim: int, *, time: bool = False, prescribed: bool = True) -> CustomProblem:
    folder = Path(mkdtemp())
    file = folder / "box.py"
    file.write_text(
        f"import torch\nbox = [[0, 1]] * {dim}\ntime = {time}\n"
        "def residual(x, u):\n    return u.laplacian\n"
        + ("def boundary(x):\n    return torch.sin(x.sum(1))\n" if prescribed else "")
    )
    return CustomProblem(file=str(file), dim=dim, n_points=10)


@pytest.mark.parametrize(("dim", "time", "values"), [(1, False, 2), (3, False, 26), (4, True, 53)])
def test_a_lift_is_what_its_projections_say(
    dim: int, time: bool, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``b - prod_i (1 - P_i) b``, one projection after the other."""
    problem = box(dim, time=time)
    assert problem.lift_cost == values

    def rest(i: int, x: torch.Tensor) -> torch.Tensor:
        if i == dim:
            return problem.prescribed(x)
        low, high = x.clone(), x.clone()
        low[:, i], high[:, i] = 0.0, 1.0
        share = 0.0 if time and i == dim - 1 else x[:, i]
        return rest(i + 1, x) - (1 - share) * rest(i + 1, low) - share * rest(i + 1, high)

    x = torch.rand(20, dim, dtype=torch.float64)
    torch.testing.assert_close(problem.lift(x), problem.prescribed(x) - rest(0, x), **TIGHT)
    u = network(problem)
    frame, few = u.frame(x), 3 * values
    monkeypatch.setattr("genlab.pde.boundary.VALUES_AT_ONCE", few)
    assert frame.lift is not None
    for one, other in zip(frame.lift, u.frame(x).lift, strict=True):
        torch.testing.assert_close(one, other, **TIGHT)


def test_auto_is_soft_where_a_lift_is_dear() -> None:
    assert network(box(5)).hard
    assert network(box(5)).remarks == ()
    dear, chosen = network(box(6)), network(box(6), "hard")
    assert not dear.hard
    assert chosen.hard
    assert "as the lift of a hard one takes 728 boundary values" in dear.remarks[0]
    assert "`boundary='hard'`: its lift takes 728 boundary values" in chosen.remarks[0]
    zero = network(box(8, prescribed=False))
    assert zero.hard
    x = zero.problem.boundary.sample(50, generator=None, dtype=torch.float64)
    assert zero(x).abs().max() == 0
    assert network(Linear10(dim=10, n_points=1)).hard


def test_the_loss_has_the_same_scale_for_points_of_any_density() -> None:
    """``E_q[f / (|Omega| q)]`` is the mean over the domain; no gradient flows through q."""
    problem = Peak(A=1.0, n_points=1)
    draw = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(200_000, 2, generator=draw, dtype=torch.float64).sqrt() - 1
    log_q = (((x + 1) / 2).prod(1)).log()  # each coordinate has the density (x + 1) / 2
    log_q.requires_grad_()
    log_uniform = problem.domain.log_uniform
    ones = domain_mean(torch.ones(len(x)).double(), log_q, log_uniform=log_uniform)
    assert ones.item() == pytest.approx(1.0, abs=0.02)
    values = x[:, 0].square().requires_grad_()
    mean = domain_mean(values, log_q, log_uniform=log_uniform)
    assert mean.item() == pytest.approx(1 / 3, abs=0.01)
    mean.backward()
    assert log_q.grad is None
    uniform = torch.full_like(log_q, log_uniform)
    torch.testing.assert_close(domain_mean(values, uniform, log_uniform=log_uniform), values.mean())
    assert domain_mean(values, None, log_uniform=log_uniform) == values.mean()


def test_indicators() -> None:
    u = Jet(torch.zeros(2), torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.zeros(2))
    residual = torch.tensor([2.0, -1.0])
    assert SquaredResidual()(u, residual).tolist() == [4, 1]
    assert SquaredGradient()(u, residual).tolist() == [25, 1]
    both = WeightedSum(criteria=[SquaredResidual(), SquaredGradient()], weights=[2.0, 0.1])
    torch.testing.assert_close(both(u, residual), torch.tensor([10.5, 2.1]))
    with pytest.raises(UserError, match=r"^weights=\[1.0\]: expected 2 numbers"):
        WeightedSum(criteria=[SquaredResidual(), SquaredGradient()], weights=[1.0])


def test_built_without_memory_and_loaded_it_is_the_same() -> None:
    u, x = network(Peak(A=1.0, n_points=1)), torch.rand(5, 2, dtype=torch.float64)
    with torch.device("meta"):
        assigned, filled = (network(Peak(A=1.0, n_points=1)) for _ in range(2))
    assigned.load_state_dict(u.state_dict(), assign=True)
    filled.to_empty(device="cpu").load_state_dict(u.state_dict())
    for other in (assigned, filled):
        assert torch.equal(other(x), u(x))
