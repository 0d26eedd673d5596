"""The user's own evolution: how it begins is said, or it is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from genlab.errors import UserError
from genlab.pde import CustomProblem
from genlab.pde.derivatives import differentiate
from genlab.pinn import Network

# A warm bar and a warm disk, cooled at their edges: u_t = lap u.
BAR = """
import math
import torch
box = [[0, 1], [0, 0.5]]
time = True
def residual(x, u):
    return u.gradient[:, -1] - u.laplacian
def initial(x):
    return torch.sin(math.pi * x[:, 0])
def exact(x):
    return torch.sin(math.pi * x[:, 0]) * torch.exp(-math.pi**2 * x[:, 1])
"""
# exp(-z^2 t) J_0(z r), where z is the first zero of J_0.
DISK = """
import math
import torch
box = [[-1, 1], [-1, 1], [1, 1.5]]
time = True
def inside(x):
    return x[:, :2].square().sum(1) < 1
def cutoff(x):
    return 1 - x[:, :2].square().sum(1)
def boundary_points(n, generator):
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    time = 1 + 0.5 * torch.rand(n, generator=generator)
    return torch.stack((angle.cos(), angle.sin(), time), 1)
def residual(x, u):
    return u.gradient[:, 2] - u.laplacian
def series(r):  # J_0
    terms = [(-r / 4)**k / math.factorial(k)**2 for k in range(12)]
    return sum(terms)
Z = 2.404825557695773**2
def initial(x):
    return series(Z * x[:, :2].square().sum(1))
def exact(x):
    return torch.exp(-Z * (x[:, 2] - 1)) * series(Z * x[:, :2].square().sum(1))
"""
WITHOUT = DISK.replace("def initial", "def _initial")


def problem(folder: Path, text: str, dim: int = 3) -> CustomProblem:
    (folder / "mine.py").write_text(text)
    return CustomProblem(file=str(folder / "mine.py"), dim=dim, n_points=10)


def network(heat: CustomProblem, boundary: str = "auto") -> Network:
    return Network(heat, hidden=[8], boundary=boundary, boundary_points=100)  # type: ignore[arg-type]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("text", "dim"), [(BAR, 2), (DISK, 3)], ids=["bar", "disk"])
def test_the_solution_meets_equation_and_conditions_hard_and_soft(
    tmp_path: Path, text: str, dim: int
) -> None:
    heat = problem(tmp_path, text, dim)
    x = heat.domain.sample(200, generator=seeded(), dtype=torch.float64)
    residual = heat.residual(x, differentiate(heat.exact, x, heat.space))
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-9)
    on = heat.boundary.sample(400, generator=seeded()).double()
    first = on[:, -1] == heat.domain.box[-1][0]
    assert 0.2 < first.double().mean() < 0.8
    exact = heat.exact(on)
    assert exact[first].max() > 0.9
    torch.testing.assert_close(heat.prescribed(on), exact, rtol=0, atol=1e-6)
    torch.testing.assert_close(heat.lift(on), exact, rtol=0, atol=1e-6)
    torch.testing.assert_close(heat.cutoff(on), torch.zeros_like(exact), rtol=0, atol=1e-6)
    assert (heat.cutoff(x) > 0).all()
    u = network(heat)
    assert u.hard
    torch.testing.assert_close(u(on.float()).double(), exact, rtol=0, atol=1e-5)
    # How fast it begins to change is left to the network.
    assert differentiate(heat.cutoff, on[first], heat.space).gradient[:, -1].abs().max() > 0.1


def test_a_soft_beginning_is_a_term_of_the_loss(tmp_path: Path) -> None:
    heat = problem(tmp_path, DISK)
    u = network(heat, "soft")
    on = heat.boundary.sample(400, generator=seeded())
    expected = u.boundary_weight * (u(on) - heat.exact(on)).square().mean()
    [term] = u.conditions(seeded(), 400)
    torch.testing.assert_close(term.frame.x, on)
    torch.testing.assert_close(u.miss([term]), expected)


SOFT = WITHOUT.replace("def cutoff", "def _cutoff")
HARD_TOO = WITHOUT.replace("return 1 - x", "return (x[:, 2] - 1) * (1 - x")
REFUSED = {
    "soft": (SOFT, "auto", "none of 1000 boundary_points lies at t = 1: nothing says how u begins"),
    "hard": (WITHOUT, "auto", r"cutoff\(x\) is not zero at t = 1: nothing says how u begins"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_say_how_it_begins_is_refused(tmp_path: Path, case: str) -> None:
    text, boundary, reason = REFUSED[case]
    with pytest.raises(UserError, match=f"time = True, but {reason}") as raised:
        network(problem(tmp_path, text), boundary)
    _, remedy = str(raised.value).splitlines()
    assert remedy.startswith("add initial(x), the values of u at t = 1, or ")


def test_boundary_functions_that_tell_of_the_beginning_are_enough(tmp_path: Path) -> None:
    values = "\ndef boundary(x):\n    return exact(x)\n"
    timed = "cutoff(x):\n    return (x[:, 2] - 1) * "
    hard = WITHOUT.replace("cutoff(x):\n    return ", timed).replace("* 1 - ", "* (1 - ")
    hard = hard.replace("(1 - x[:, :2].square().sum(1)", "(1 - x[:, :2].square().sum(1))")
    assert network(problem(tmp_path, hard + values)).hard
    first = "time = 1 + 0.5 * torch.rand(n, generator=generator)"
    soft = SOFT.replace(first, first + ".sub(0.5).relu()")
    assert not network(problem(tmp_path, soft + values)).hard


def test_a_domain_that_moves_has_a_soft_beginning(tmp_path: Path) -> None:
    moving = DISK.replace("sum(1) < 1", "sum(1) < x[:, 2] ** 2")
    moving = moving.replace("return 1 - x", "return x[:, 2] ** 2 - x")
    moving = moving.replace("(angle.cos(), angle.sin()", "(time * angle.cos(), time * angle.sin()")
    assert not problem(tmp_path, moving.replace("[-1, 1], [-1, 1]", "[-2, 2], [-2, 2]")).has_lift


def test_a_beginning_needs_time(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"defines initial\(x\), but no time\nadd time = True"):
        problem(tmp_path, BAR.replace("time = True", ""), 2)
    with pytest.raises(UserError, match=r"initial\(x\) of x \[5, 2\] returned shape \[5, 2\]"):
        problem(tmp_path, BAR.replace("math.pi * x[:, 0])\ndef", "math.pi * x)\ndef"), 2)


def test_a_box_begins_and_ends_as_it_is_told(tmp_path: Path) -> None:
    edges = "def boundary(x):\n    return 2 + 0 * x[:, 1]\n"
    begins = BAR.replace("return torch.sin(math.pi * x[:, 0])\n", "return 2 + x[:, 0] * 0\n", 1)
    heat = problem(tmp_path, begins.split("def exact")[0] + edges, 2)
    on = heat.boundary.sample(100, generator=seeded())
    torch.testing.assert_close(heat.lift(on), torch.full_like(on[:, 0], 2))
    first = torch.tensor([[0.5, 0.0], [0.0, 0.3]])
    assert heat.prescribed(first).tolist() == [2, 2]
    assert math.isclose(problem(tmp_path, BAR, 2).prescribed(first)[0].item(), 1, rel_tol=1e-6)
