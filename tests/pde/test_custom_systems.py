"""The user's own system, wave or inverse problem: one file, and what is said of its mistakes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from genlab.errors import UserError
from genlab.pde import CustomProblem, differentiate
from genlab.pinn import Network

WAVE = """
import math
import torch
box = [[0, 1], [0, 1]]
time = True
def residual(x, u):
    return u.hessian[:, 1, 1] - u.hessian[:, 0, 0]
def initial(x):
    return torch.sin(math.pi * x[:, 0])
def initial_rate(x):
    return math.pi * torch.sin(math.pi * x[:, 0])
def exact(x):
    t = math.pi * x[:, 1]
    return torch.sin(math.pi * x[:, 0]) * (torch.cos(t) + torch.sin(t))
"""
# A flow along a pipe that is a ring: u = y (1 - y), driven by the force 2; the pressure is at rest.
PIPE = """
import torch
from genlab.pde import Box, Faces, Measured, Neumann
box = [[0, 2], [0, 1]]
components = ["u", "v", "p"]
prescribed = ["u", "v"]
up_to_constant = ["p"]
periodic = [0]
coefficients = {"nu": 0.5}
top = Faces(Box(box), [(1, "high")])
conditions = [
    Neumann(top, lambda x: -1 + 0 * x[:, 0], components=["u"]),
    Measured(torch.tensor([[1.0, 0.5]]), torch.tensor([0.25]), sigma=0.1, components=["u"],
             weight=1e-3),
]
def residual(x, u, nu):
    u, v, p = u
    first = u.value * u.gradient[:, 0] + v.value * u.gradient[:, 1] + p.gradient[:, 0]
    second = u.value * v.gradient[:, 0] + v.value * v.gradient[:, 1] + p.gradient[:, 1]
    mass = u.gradient[:, 0] + v.gradient[:, 1]
    return torch.stack((first - nu * u.laplacian - 2 * nu, second - nu * v.laplacian, mass), 1)
def exact(x):
    y = x[:, 1]
    return torch.stack((y * (1 - y), 0 * y, 0 * y), 1)
"""


def problem(folder: Path, text: str) -> CustomProblem:
    (folder / "mine.py").write_text(text)
    return CustomProblem(file=str(folder / "mine.py"), dim=2, n_points=10)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_wave_of_ones_own(tmp_path: Path) -> None:
    wave = problem(tmp_path, WAVE)
    assert wave.order == "hessian"
    x = wave.domain.sample(50, generator=seeded(), dtype=torch.float64)
    residual = wave.residual(x, differentiate(wave.exact, x, 1, "hessian"))
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-10)
    assert wave.conditions() == ()
    _, own = wave.essential()
    on = own.sample(20, generator=seeded()).double()
    rows = own.rows((differentiate(wave.exact, on, 1),), own.target(on), None)  # type: ignore[arg-type]
    assert rows.shape == (20, 2)
    torch.testing.assert_close(rows, torch.zeros_like(rows), rtol=0, atol=1e-10)
    u = Network(wave, hidden=[4])
    assert u.hard
    assert u.conditions(seeded()) == []
    assert len(Network(wave, hidden=[4], boundary="soft").conditions(seeded())) == 2


# Two waves that run into each other over ends that move with them.
MOVING = """
import torch
box = [[0, 1], [2, 3]]
time = True
def residual(x, u):
    return u.hessian[:, 1, 1] - u.hessian[:, 0, 0]
def exact(x):
    s, t = x[:, 0], x[:, 1] - 2
    return torch.sin(2 * (s + t)) + torch.exp(s - t)
boundary = exact
def initial_rate(x):
    return 2 * torch.cos(2 * x[:, 0]) - torch.exp(x[:, 0])
"""


@pytest.mark.parametrize("faces", ["", "faces = []\n", 'faces = [(0, "high")]\n'])
def test_a_hard_boundary_holds_the_rate_whatever_the_weights(tmp_path: Path, faces: str) -> None:
    wave = problem(tmp_path, MOVING + faces)
    u = Network(wave, hidden=[8], activation="tanh").double()
    assert u.hard
    assert u.conditions(None) == []
    for condition in wave.essential():
        on = condition.sample(50, generator=seeded(), dtype=torch.float64)
        jet = differentiate(u, on, 1, "gradient")
        rows = condition.rows((jet,), condition.target(on), None)  # type: ignore[arg-type]
        torch.testing.assert_close(rows, torch.zeros_like(rows), rtol=0, atol=1e-12)
    first = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    slope = differentiate(u, first, 1, "gradient").gradient[0, 1]  # type: ignore[union-attr]
    assert slope == pytest.approx(2 * math.cos(0.6) - math.exp(0.3), abs=1e-12)
    inner = wave.domain.sample(20, generator=seeded(), dtype=torch.float64)
    assert (u(inner) - wave.lift(inner)).abs().min() > 0, "and leaves the network free elsewhere"


def test_a_rate_that_jumps_at_the_sides_is_learned(tmp_path: Path) -> None:
    wave = problem(
        tmp_path, MOVING + "plain = initial_rate\ninitial_rate = lambda x: plain(x) + 1\n"
    )
    assert [len(conditions) for conditions in (wave.essential(), wave.conditions())] == [1, 1]
    assert len(Network(wave, hidden=[4]).conditions(seeded())) == 1


@pytest.mark.parametrize("boundary", ["hard", "soft"])
def test_a_flow_of_ones_own(tmp_path: Path, boundary: str) -> None:
    pipe = problem(tmp_path, PIPE)
    assert (pipe.equations, pipe.components, pipe.order) == (3, ("u", "v", "p"), "laplacian")
    assert pipe.boundary.faces == [(1, "low"), (1, "high")]  # type: ignore[attr-defined]
    x = pipe.domain.sample(50, generator=seeded(), dtype=torch.float64)
    half = torch.full_like(x[:, 0], 0.7)
    residual = pipe.residual(x, differentiate(pipe.exact, x, 2), nu=half)
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-10)
    u = Network(pipe, hidden=[4], boundary=boundary)  # type: ignore[arg-type]
    assert u.coefficients["nu"].item() == 0.5
    terms = u.conditions(seeded())
    assert len(terms) == (2 if boundary == "hard" else 3)
    on = pipe.boundary.sample(20, generator=seeded())
    if boundary == "hard":
        torch.testing.assert_close(u(on)[:, :2], torch.zeros(20, 2), rtol=0, atol=1e-6)
    shifted = on + torch.tensor([2.0, 0.0])
    torch.testing.assert_close(u(on), u(shifted), rtol=0, atol=1e-5)
    assert u.residual(u.frame(x.float())).shape == (50, 3)


def test_values_are_prescribed_on_the_faces_that_are_told_and_at_first(tmp_path: Path) -> None:
    wave = problem(tmp_path, WAVE + 'faces = [(0, "high")]\n')
    assert wave.boundary.faces == [(0, "high"), (1, "low")]  # type: ignore[attr-defined]


def test_a_system_in_a_domain_with_a_cutoff(tmp_path: Path) -> None:
    text = """
import torch
box = [[-1, 1], [-1, 1]]
components = ["u", "v"]
prescribed = ["v"]
def inside(x): return x.square().sum(1) < 1
def cutoff(x): return 1 - x.square().sum(1)
def boundary(x): return x[:, :1]
def residual(x, u): return torch.stack([one.laplacian for one in u], 1)
"""
    u = Network(problem(tmp_path, text), hidden=[4])
    assert u.hard
    edge = torch.tensor([[0.6, 0.8], [-1.0, 0.0]])
    torch.testing.assert_close(u(edge)[:, 1], edge[:, 0])


MISTAKES = {
    ("pipe", '["u", "v", "p"]', '["u", "u"]'): r"components is \['u', 'u'\], expected different",
    ("pipe", 'prescribed = ["u", "v"]', 'prescribed = ["w"]'): "prescribed tells of 'w'",
    ("pipe", 'up_to_constant = ["p"]', 'up_to_constant = "p"'): "up_to_constant is 'p', expected a",
    (
        "pipe",
        "periodic = [0]",
        "periodic = [2]",
    ): r"periodic is \[2\], expected coordinates",
    ("pipe", '{"nu": 0.5}', '{"nu": -0.5}'): "coefficient nu starts from -0.5, expected a positive",
    (
        "pipe",
        '{"nu": 0.5}',
        '{"nu": __import__("genlab").pde.Coefficient(0.0)}',
    ): r"coefficient nu starts from Coefficient\(start=0.0, positive=True, .*, expected a positive",
    ("pipe", '{"nu": 0.5}', "0.5"): "coefficients is 0.5, expected a table",
    ("pipe", "(x, u, nu)", "(x, u, mu)"): r"residual\(x, u, nu\) raised TypeError: .*'nu'",
    ("pipe", "coefficients", "coeficients"): r"defines coeficients, which nothing reads; did you m",
    ("pipe", "conditions = [", "conditions = [3, "): r"conditions is \[3, .*, expected a list of c",
    ("pipe", 'components=["u"])', 'components=["w"])'): "conditions tells of 'w'",
    ("pipe", "-1 + 0 * x[:, 0]", "x[:, 7]"): r"line 12: conditions\[0\] raised IndexError",
    ("pipe", "-1 + 0 * x[:, 0]", "x[:, 0] / 0"): r"conditions\[0\] of u = 0 is -?(inf|nan) at x = ",
    (
        "pipe",
        "0 * y, 0 * y), 1)",
        "0 * y), 1)",
    ): r"exact\(x\) of x \[5, 2\] returned shape",
    ("pipe", "periodic = [0]", 'faces = [(2, "low")]'): r"faces has \(2, 'low'\), expected some of",
    ("wave", "def initial_rate(x):", "def initial_rte(x):"): "defines initial_rte, which nothing",
    ("wave", "[:, 1, 1]", "[:, 2, 2]"): r"line 7: residual\(x, u\) raised IndexError",
    ("wave", "time = True", "time = False"): r"defines initial\(x\), but no time",
}


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case[2][:20])
def test_mistakes(tmp_path: Path, case: tuple[str, str, str]) -> None:
    name, right, wrong = case
    text = PIPE if name == "pipe" else WAVE
    assert right in text
    with pytest.raises(UserError, match=MISTAKES[case]):
        problem(tmp_path, text.replace(right, wrong))
