"""The user's own PDE: what its file may define, and what is said of its mistakes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from genlab.errors import UserError
from genlab.pde import CustomProblem
from genlab.pde.derivatives import differentiate
from genlab.pinn import Network

HEAT = """
import math
import torch
box = [[-1, 1], [0, 1]]
time = True
def residual(x, u):
    return u.gradient[:, 1] - u.laplacian / math.pi**2
def boundary(x):
    return torch.sin(math.pi * x[:, 0])
def exact(x):
    return torch.sin(math.pi * x[:, 0]) * torch.exp(-x[:, 1])
"""
DISK = """
box = [[-1, 1], [-1, 1]]
def inside(x):
    return x.square().sum(1) < 1
def residual(x, u):
    return u.laplacian + 4
"""


def problem(folder: Path, text: str) -> CustomProblem:
    (folder / "mine.py").write_text(text)
    return CustomProblem(file=str(folder / "mine.py"), dim=2, n_points=10)


def test_space_and_time(tmp_path: Path) -> None:
    heat = problem(tmp_path, HEAT)
    x = heat.domain.sample(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    residual = heat.residual(x, differentiate(heat.exact, x, heat.space))
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-12)
    on = heat.boundary.sample(200, generator=torch.Generator().manual_seed(0))
    assert (on[:, 1] == 0).any()
    assert not (on[:, 1] == 1).any()
    torch.testing.assert_close(heat.lift(on), heat.exact(on), rtol=0, atol=1e-6)


def test_a_domain_that_a_function_tells(tmp_path: Path) -> None:
    disk = problem(tmp_path, DISK)
    assert disk.domain.volume == pytest.approx(math.pi, rel=1e-3)
    assert not disk.has_lift
    x = disk.domain.sample(10, generator=None)
    with pytest.raises(UserError, match=r"no function cutoff\(x\), which `boundary='hard'` needs"):
        disk.cutoff(x)
    with pytest.raises(UserError, match=r"no function boundary_points\(n, generator\), which `b"):
        Network(
            disk,
            hidden=[8],
            activation="gelu",
            gain=1.0,
            boundary="auto",
            boundary_weight=1.0,
            boundary_points=10,
        )


BOX, LAPLACIAN = "box = [[-1, 1], [0, 1]]", "u.laplacian"
MISTAKES = {
    ("def residual", "def residal"): r"no function residual\(x, u\); did you mean 'residal'\?",
    (
        "def boundary",
        "def boundry",
    ): "defines boundry, which nothing reads; did you mean 'bou",
    (LAPLACIAN, "u.laplcian"): "line 7: .* no attribute 'laplcian'; did you mean 'laplacian'",
    (LAPLACIAN, "u.third"): "no attribute 'third'; choose from: gradient, hessian, laplacian, val",
    (LAPLACIAN, "math.nan"): r"residual of u = 0 is nan at x = \[\S+, \S+\], expected a finite",
    (LAPLACIAN, "u.gradient"): r"line 7: residual\(x, u\) raised RuntimeError: The size of tensor",
    (BOX, "box = [[0, 1], [1, 0]]"): r"box is \[\[0, 1\], \[1, 0\]\], expected .* with low < high",
    (BOX, "box = [[-1, 1], [0, math.inf]]"): "box is .*inf.*, both finite",
    (BOX, "box = [-1, 1]"): r"box is \[-1, 1\], expected a list of",
    (BOX, ""): r"defines no box = \[\[low, high\], ...\]",
    ("time = True", "time = 1"): "time is 1, expected True or False",
}


@pytest.mark.parametrize(("right", "wrong"), MISTAKES)
def test_mistakes(tmp_path: Path, right: str, wrong: str) -> None:
    with pytest.raises(UserError, match=MISTAKES[right, wrong]) as raised:
        problem(tmp_path, HEAT.replace(right, wrong))
    said = str(raised.value).removeprefix(f"file={tmp_path}").splitlines()
    assert len(said) <= 2
    assert max(map(len, said)) < 200


def test_a_residual_is_tried_where_u_is_zero(tmp_path: Path) -> None:
    """What has no number at other u may have one at the solution."""
    text = DISK + "def residual(x, u):\n    return u.laplacian + u.value.abs().mul(1e4).exp()\n"
    assert problem(tmp_path, text).dim == 2


def test_a_function_of_the_files_own_is_no_mistake(tmp_path: Path) -> None:
    helpers = "def _exact(x):\n    return x\nfrom torch import exp as inside_\ncutof = 3\n"
    assert not problem(tmp_path, helpers + HEAT.split("def exact")[0]).has_exact
