"""Problems: their solutions have no residual, and the values that were published."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genlab.pde import (
    AllenCahn,
    Box,
    Burgers,
    Corner,
    Diffusion,
    DiskPeak,
    Faces,
    Helmholtz,
    InverseDiffusion,
    Kovasznay,
    Layer,
    Linear10,
    Nonlinear10,
    Peak,
    Problem,
    TwoPeaks,
    Wave,
    differentiate,
)

PROBLEMS: dict[str, Problem] = {
    "peak": Peak(A=1000.0, n_points=1),
    "two_peaks": TwoPeaks(A=1000.0, n_points=1),
    "linear10": Linear10(dim=10, n_points=1),
    "nonlinear10": Nonlinear10(dim=10, n_points=1),
    "diffusion": Diffusion(n_points=1),
    "burgers": Burgers(n_points=1),
    "allen_cahn": AllenCahn(n_points=1),
    "lshape": Corner(n_points=1),
    "disk": DiskPeak(A=100.0, n_points=1),
    "wave": Wave(n_points=1),
    "helmholtz": Helmholtz(n_points=1),
    "kovasznay": Kovasznay(n_points=1),
    "layer": Layer(n_points=1),
    "inverse_diffusion": InverseDiffusion(n_points=1),
}
# By the names above; relative to the largest term, where the solution is a truncated series.
TOLERANCE = {"allen_cahn": 1e-5}


def points(problem: Problem, n: int) -> Tensor:
    """Points of the domain, half of them near the peaks if there are any."""
    x = problem.domain.sample(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if not isinstance(problem, Peak | TwoPeaks | Linear10 | DiskPeak):
        return x
    centre = 0.0 if isinstance(problem, Linear10) else 0.5
    x[::2] = centre + 0.05 * x[::2]
    return x[problem.domain.contains(x)]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_solution_has_no_residual(name: str) -> None:
    problem = PROBLEMS[name]
    x = points(problem, 200)
    u = differentiate(problem.exact, x, problem.space, problem.order)
    truth = {
        name: torch.full_like(x[:, 0], coefficient.exact)
        for name, coefficient in problem.coefficients.items()
        if coefficient.exact is not None
    }
    scale = max(1.0, float(problem.source(x).abs().max()))
    residual = problem.residual(x, u, **truth)
    assert residual.shape == ((200, 3) if name == "kovasznay" else (len(x),))
    assert float(residual.abs().max()) < TOLERANCE.get(name, 1e-11) * scale


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_boundary(name: str) -> None:
    problem = PROBLEMS[name]
    draw = torch.Generator().manual_seed(0)
    edge = problem.boundary.sample(500, generator=draw, dtype=torch.float64)
    held = problem.places(problem.prescribed_components)

    def prescribed(values: Tensor) -> Tensor:
        return values.view(len(values), -1)[:, held]

    assert float(prescribed(problem.cutoff(edge)).abs().max()) < 1e-14
    assert float(problem.cutoff(points(problem, 500)).min()) > 0
    values = prescribed(problem.prescribed(edge))
    torch.testing.assert_close(values, prescribed(problem.exact(edge)), atol=1e-5, rtol=0)
    if problem.has_lift:
        torch.testing.assert_close(prescribed(problem.lift(edge)), values, atol=1e-9, rtol=0)


def test_a_cutoff_is_one_in_the_middle_of_any_box() -> None:
    """Or at the far end, where a coordinate has one face: the network's share of u is no scale."""
    box = Box([(0.0, 4.0), (-1.0, 1.0), (0.0, 0.5)])
    faces = Faces(box, [(0, "low"), (0, "high"), (1, "low"), (1, "high"), (2, "low")])
    x = torch.tensor([[2.0, 0.0, 0.5], [1.0, 0.0, 0.5], [2.0, 0.0, 0.25]])
    torch.testing.assert_close(faces.cutoff(x), torch.tensor([1.0, 0.75, 0.5]))


def test_a_lift_uses_values_on_the_boundary_only() -> None:
    problem = Peak(A=1.0, n_points=1)
    boundary, exact = problem.boundary, problem.exact
    x = points(problem, 100)

    def other_inside(y: Tensor) -> Tensor:
        return exact(y) + 100 * boundary.cutoff(y)

    expected = boundary.lift(x, exact)  # type: ignore[attr-defined]
    torch.testing.assert_close(boundary.lift(x, other_inside), expected)  # type: ignore[attr-defined]


def test_the_lift_in_ten_dimensions_is_the_transfinite_one() -> None:
    problem = Linear10(dim=3, n_points=1)
    x = points(problem, 100)
    general = problem.boundary.lift(x, problem.prescribed)  # type: ignore[attr-defined]
    torch.testing.assert_close(problem.lift(x), general, atol=1e-14, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("burgers", [[0.5, 0.5], [0.1, 1.0]], [-0.5927695344, -0.6654815677]),
        (
            "allen_cahn",
            [[0.0, 1.0], [0.25, 1.0], [0.5, 1.0]],
            [0.2753264571, 0.9873211594, -0.2475010763],
        ),
    ],
)
def test_references_to_ten_digits(name: str, x: list[list[float]], expected: list[float]) -> None:
    found = PROBLEMS[name].exact(torch.tensor(x, dtype=torch.float64))
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), atol=6e-11, rtol=0
    )


def test_burgers_starts_from_its_sine_and_stays_float64() -> None:
    x = torch.tensor([[0.25, 0.0], [-0.5, 0.0]], dtype=torch.float64)
    found = PROBLEMS["burgers"].exact(x)
    torch.testing.assert_close(found, -torch.sin(math.pi * x[:, 0]))
    assert PROBLEMS["burgers"].exact(x.float()).dtype == torch.float32


def test_reference_points_integrate() -> None:
    """``|u|^2`` in ten dimensions, where uniform points would miss the peak: erf in closed form."""
    for name, expected in {
        "linear10": (math.sqrt(math.pi / 20) * math.erf(math.sqrt(20))) ** 10,
        "peak": math.pi / 2000,
    }.items():
        reference = PROBLEMS[name].reference()
        assert reference.exact is not None
        mean = (reference.weight @ reference.exact.square()) / reference.weight.sum()
        found = float(mean) * PROBLEMS[name].domain.volume
        assert found == pytest.approx(expected, rel=0.02)
