"""The user's own PDE on a domain of genlab.pde: its boundary follows by itself."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from genlab.pde import (
    Box,
    CustomProblem,
    CylinderBoundary,
    Faces,
    Jet,
    WholeBoundary,
    differentiate,
)
from genlab.pinn import Network

# u = x^2 + y^2 in a plate with a hole.
PLATE = """
from genlab.pde import Box, Disk
domain = Box([(-1, 1), (-1, 1)]) - Disk(radius=0.5)
def residual(x, u):
    return u.laplacian - 4
def boundary(x):
    return x.square().sum(1)
exact = boundary
"""
# u = (1 - r^2) e^-t, by a source.
WARM = """
import torch
from genlab.pde import Cylinder, Disk
domain = Cylinder(Disk(), (0, 2))
def residual(x, u):
    return u.gradient[:, 2] - u.laplacian - torch.exp(-x[:, 2]) * (3 + x[:, :2].square().sum(1))
def initial(x):
    return 1 - x[:, :2].square().sum(1)
def exact(x):
    return initial(x) * torch.exp(-x[:, 2])
"""


def problem(folder: Path, text: str, dim: int) -> CustomProblem:
    (folder / "mine.py").write_text(text)
    return CustomProblem(file=str(folder / "mine.py"), dim=dim, n_points=10)


@pytest.mark.parametrize(
    ("text", "dim", "volume", "kind"),
    [
        (PLATE, 2, 4 - math.pi / 4, WholeBoundary),
        (WARM, 3, 2 * math.pi, CylinderBoundary),
        (WARM.replace("Disk()", "Disk() & Disk()"), 3, 2 * math.pi, CylinderBoundary),
    ],
    ids=["plate", "warm", "combined"],
)
def test_the_solution_meets_equation_and_boundary(
    tmp_path: Path, text: str, dim: int, volume: float, kind: type
) -> None:
    own = problem(tmp_path, text, dim)
    assert isinstance(own.boundary, kind)
    assert own.domain.volume == pytest.approx(volume)
    seeded = torch.Generator().manual_seed(0)
    x = own.domain.sample(100, generator=seeded, dtype=torch.float64)
    residual = own.residual(x, differentiate(own.exact, x, own.space))
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-12)
    on = own.boundary.sample(200, generator=seeded, dtype=torch.float64)
    torch.testing.assert_close(own.prescribed(on), own.exact(on), rtol=0, atol=1e-12)
    torch.testing.assert_close(own.lift(on), own.exact(on), rtol=0, atol=1e-12)
    torch.testing.assert_close(own.cutoff(on), torch.zeros_like(on[:, 0]), rtol=0, atol=1e-12)
    assert (own.cutoff(x) > 0).all()
    u = Network(own, hidden=[8])
    assert u.hard
    torch.testing.assert_close(u(on.float()).double(), own.exact(on), rtol=0, atol=1e-5)
    assert not Network(own, hidden=[8], boundary="soft", boundary_points=10).hard


def test_a_box_over_an_interval_is_a_box(tmp_path: Path) -> None:
    text = WARM.replace("Disk()", "Box([(0, 1), (0, 1)])").replace("Disk\n", "Box\n")
    bar = problem(tmp_path, text + "periodic = [0]\n", 3)
    assert isinstance(bar.domain, Box)
    assert isinstance(bar.boundary, Faces)
    assert bar.boundary.faces == [(1, "low"), (1, "high"), (2, "low")]
    assert bar.space == 2


def test_a_rate_where_a_cylinder_begins(tmp_path: Path) -> None:
    wave = WARM.replace("u.gradient[:, 2]", "u.hessian[:, 2, 2]").replace("(3 + ", "(5 - ")
    rate = "def initial_rate(x):\n    return -initial(x)\n"
    drum = problem(tmp_path, wave + rate, 3)
    assert drum.conditions() == ()
    _, own = drum.essential()
    on = own.sample(50, generator=torch.Generator().manual_seed(0)).double()
    assert (on[:, 2] == 0).all()
    u = Network(drum, hidden=[8]).double()
    assert u.conditions(None) == []
    for function in (drum.exact, u):  # whatever the weights are
        rows = own.rows((differentiate(function, on, 2),), own.target(on), None)  # type: ignore[arg-type]
        torch.testing.assert_close(rows, torch.zeros_like(rows), rtol=0, atol=1e-7)
    moved = problem(tmp_path, wave + rate.replace("initial(x)", "1 + 0 * x[:, 0]"), 3)
    assert len(moved.conditions()) == 1, "the rim is at rest"


def test_at_corners_a_cutoff_has_derivatives_all_the_same(tmp_path: Path) -> None:
    plate = problem(tmp_path, PLATE, 2)
    corner = torch.tensor([[-1.0, 1.0], [1.0, 1.0]])
    jet = differentiate(plate.cutoff, corner, 2, "hessian")
    assert isinstance(jet, Jet)
    assert jet.value.tolist() == [0, 0]
    assert all(part.isfinite().all() for part in jet)


def test_a_cutoff_of_ones_own_goes_before(tmp_path: Path) -> None:
    own = "def cutoff(x):\n    return (1 - x.square()).prod(1) * (x.square().sum(1) - 0.25)\n"
    plate = problem(tmp_path, PLATE + own, 2)
    assert plate.cutoff(torch.tensor([[0.0, 0.5], [1.0, 0.2]])).tolist() == [0, 0]
    assert plate.cutoff(torch.tensor([[0.8, 0.0]])).item() == pytest.approx(0.36 * 0.39)
