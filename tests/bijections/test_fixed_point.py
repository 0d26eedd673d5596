"""The fixed-point solvers keep what they promise."""

from __future__ import annotations

import pytest
import torch

from genlab.bijections.fixed_point import solve
from genlab.errors import RunError


@pytest.fixture(params=["anderson", "plain"])
def solver(request: pytest.FixtureRequest) -> str:
    return request.param


def linear(matrix: torch.Tensor):
    return lambda x, rows: x @ matrix.mT


def contraction(dim: int, lipschitz: float, dtype: torch.dtype) -> torch.Tensor:
    left, _, right = torch.linalg.svd(torch.randn(dim, dim, dtype=torch.float64))
    values = torch.linspace(0.1, 1, dim, dtype=torch.float64) * lipschitz
    return (left @ torch.diag(values) @ right).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 2, 7])
@pytest.mark.parametrize("lipschitz", [0.3, 0.98])
def test_the_error_is_within_the_guarantee(
    solver: str, lipschitz: float, dim: int, dtype: torch.dtype
) -> None:
    matrix = contraction(dim, lipschitz, dtype)
    x = torch.randn(300, dim, dtype=dtype)
    y = x + x @ matrix.mT
    for tolerance in (1e-2, 1e-6, 1e-12):
        found = solve(linear(matrix), y, lipschitz=lipschitz, tolerance=tolerance, solver=solver)
        resolved = 4 * torch.finfo(dtype).eps / (1 - lipschitz)
        allowed = max(tolerance, resolved) * (1 + y.norm(dim=1))
        assert ((found - x).norm(dim=1) <= 1.05 * allowed).all()


def test_the_slowest_contraction_is_solved_to_the_end(solver: str) -> None:
    # x + g(x) = 0.02 x: each plain step leaves 0.98 of the error, so that a step of 1e-4 stands for
    # an error of 5e-3.
    y = torch.ones(1, 1, dtype=torch.float64)
    found = solve(lambda x, _: -0.98 * x, y, lipschitz=0.98, tolerance=1e-9, solver=solver)
    assert found.item() == pytest.approx(50, abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_solution_far_from_the_right_hand_side_is_found(dtype: torch.dtype) -> None:
    y = torch.randn(50, 2, dtype=dtype)
    turn = torch.linalg.qr(torch.randn(2, 2, dtype=dtype))[0]
    for g in (
        lambda x, rows: 0.098 * torch.sin(10 * x) + 30,
        lambda x, rows: 0.98 * x + 1000,
        lambda x, rows: 0.98 * x @ turn + 50,
    ):
        found = solve(g, y, lipschitz=0.98, tolerance=1e-10, solver="anderson")
        error = (found + g(found, y) - y).norm(dim=1) / 0.02
        resolved = 4 * torch.finfo(dtype).eps / 0.02
        size = 1 + y.norm(dim=1)
        allowed = (1e-10 * size).maximum(resolved * size.maximum(1 + found.norm(dim=1)))
        assert (error <= 1.05 * allowed).all()


def test_a_first_step_of_any_length_leaves_steps_enough(solver: str) -> None:
    y = torch.randn(5, 1, dtype=torch.float64)
    found = solve(lambda x, _: 0.9 * x + 1e8, y, lipschitz=0.9, tolerance=1e-6, solver=solver)
    assert (found - (y - 1e8) / 1.9).abs().max() < 1e-5


def test_acceleration_saves_evaluations() -> None:
    counts = {"anderson": 0, "plain": 0}
    matrix = contraction(3, 0.98, torch.float64)
    y = torch.randn(50, 3, dtype=torch.float64)
    for solver in counts:

        def g(x: torch.Tensor, rows: torch.Tensor, solver: str = solver) -> torch.Tensor:
            counts[solver] += len(x)
            return x @ matrix.mT

        solve(g, y, lipschitz=0.98, tolerance=1e-10, solver=solver)
    assert counts["anderson"] < 0.5 * counts["plain"]


def test_samples_do_not_disturb_each_other(solver: str) -> None:
    matrix = contraction(3, 0.9, torch.float64)
    y = torch.randn(20, 3, dtype=torch.float64)
    scale = torch.logspace(-6, 6, 20, dtype=torch.float64)[:, None]

    def solved(y: torch.Tensor) -> torch.Tensor:
        return solve(linear(matrix), y, lipschitz=0.9, tolerance=1e-10, solver=solver)

    together = solved(scale * y)
    for i in (0, 10, 19):
        torch.testing.assert_close(together[i : i + 1], solved((scale * y)[i : i + 1]))


def test_the_rows_that_are_asked_for_are_those_of_the_batch(solver: str) -> None:
    shift = torch.linspace(-3, 3, 40, dtype=torch.float64)[:, None]
    x = torch.randn(40, 1, dtype=torch.float64) * torch.logspace(0, 4, 40)[:, None]

    def g(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return 0.5 * torch.sin(x + shift[rows])

    y = x + g(x, torch.arange(40))
    found = solve(g, y, lipschitz=0.5, tolerance=1e-13, solver=solver)
    torch.testing.assert_close(found, x)


def test_what_cannot_converge_is_an_error(solver: str) -> None:
    y = torch.ones(3, 2)
    with pytest.raises(RunError, match=r"did not converge: 3 of 3 samples after \d+ steps"):
        solve(lambda x, _: -x, y, lipschitz=0.9, tolerance=1e-6, solver=solver)
    y[1] = torch.nan
    with pytest.raises(RunError, match=f"1 of 3 samples .* of the solver '{solver}'"):
        solve(lambda x, _: 0.5 * x, y, lipschitz=0.5, tolerance=1e-6, solver=solver)
    with pytest.raises(RunError, match=r"Lipschitz bound 1\.02: no inverse is certain"):
        solve(lambda x, _: 0.5 * x, y, lipschitz=1.02, tolerance=1e-6, solver=solver)


def test_nothing_to_solve(solver: str) -> None:
    empty = solve(lambda x, _: x, torch.zeros(0, 3), lipschitz=0.5, tolerance=1e-6, solver=solver)
    assert empty.shape == (0, 3)
    y = torch.randn(4, 3)
    constant = solve(
        lambda x, _: torch.ones_like(x), y, lipschitz=0.0, tolerance=1e-6, solver=solver
    )
    torch.testing.assert_close(constant, y - 1)
