"""Solvers on ODEs whose solution is known, and against torchdiffeq's own."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
import torchdiffeq

from genlab.bijections import AdaptiveSolver, FixedStepSolver
from genlab.errors import RunError

ROTATION = torch.tensor([[0.3, -1.2], [0.8, -0.5]], dtype=torch.float64)
SPANS = [(0.0, 1.0), (1.0, 0.0), (0.25, 0.75)]


def linear(t, x):
    """A linear field, and ``t^2`` as the rate: both integrals are known."""
    return x @ ROTATION.T.to(x), t.square().expand(len(x))


def truth(x, start, end):
    moved = x @ torch.linalg.matrix_exp(ROTATION * (end - start)).T
    return moved, torch.full((len(x),), (end**3 - start**3) / 3, dtype=x.dtype)


def error(solver, start, end):
    x = torch.tensor([[1.0, 0.5], [-0.3, 2.0]], dtype=torch.float64)
    found = solver.solve(linear, x, start=start, end=end, rates=1)
    return max((a - b).abs().max().item() for a, b in zip(found, truth(x, start, end), strict=True))


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_fixed_steps_converge_at_their_order(method, order, span):
    coarse, fine = (error(FixedStepSolver(method=method, steps=n), *span) for n in (20, 40))
    assert coarse / fine == pytest.approx(2**order, rel=0.2)
    assert fine < 2 * (1 / 20) ** order


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize(
    ("method", "tolerance"),
    [("dopri5", 1e-9), ("dopri8", 1e-12), ("bosh3", 1e-7), ("adaptive_heun", 1e-6)],
)
def test_adaptive_steps_keep_to_their_tolerance(method, tolerance, span):
    assert error(AdaptiveSolver(method=method, rtol=tolerance, atol=tolerance), *span) < (
        10 * tolerance
    )


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4"])
def test_fixed_steps_are_those_of_torchdiffeq(method):
    x = torch.randn(5, 2, dtype=torch.float64)
    found = FixedStepSolver(method=method, steps=7).solve(linear, x, start=0.2, end=1.0, rates=1)
    times = torch.linspace(0.2, 1.0, 8, dtype=torch.float64)
    state = (x, torch.zeros(5, dtype=torch.float64))
    peer = torchdiffeq.odeint(lambda t, s: linear(t, s[0]), state, times, method=method)
    for ours, theirs in zip(found, peer, strict=True):
        torch.testing.assert_close(ours, theirs[-1], atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tolerance_below_the_resolution_of_the_type_is_raised_to_it(dtype):
    solver = AdaptiveSolver(method="dopri5", rtol=1e-30, atol=1e-30)
    x = torch.randn(5, 2, dtype=dtype)
    found, integral = solver.solve(linear, x, start=0.0, end=1.0, rates=1)
    exact, _ = truth(x.double(), 0.0, 1.0)
    assert found.dtype == integral.dtype == dtype
    torch.testing.assert_close(found.double(), exact, atol=1e3 * torch.finfo(dtype).eps, rtol=0)


@pytest.mark.parametrize("span", SPANS)
def test_neither_a_solve_nor_its_adjoint_steps_beyond_the_ends(span):
    seen, matrix = [], ROTATION.clone().requires_grad_()

    def field(t, x):
        seen.append(t.item())
        return (x @ matrix.T,)

    solver = AdaptiveSolver(method="dopri5", rtol=1e-5, atol=1e-5)
    x = torch.randn(4, 2, dtype=torch.float64)
    (end,) = solver.solve(field, x, start=span[0], end=span[1], rates=0, adjoint=[matrix])
    end.square().sum().backward()
    assert (min(seen), max(seen)) == tuple(sorted(span))


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize(
    ("field", "message"),
    [
        (lambda t, x: (x.square() * 1e3,), r"underflow in dt.*too steep.*solver=rk4"),
        (lambda t, x: (x * math.nan,), r"underflow in dt|non-finite"),
    ],
)
def test_a_solver_that_gives_up_says_what_to_change(field, message, gradient):
    solver = AdaptiveSolver(method="dopri5", rtol=1e-6, atol=1e-6)
    adjoint = [] if gradient == "adjoint" else None
    with pytest.raises(RunError, match=f"(?s){message}"):
        solver.solve(field, torch.ones(3, 2), start=0.0, end=1.0, rates=0, adjoint=adjoint)


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4"])
def test_the_memory_of_a_solve_does_not_grow_with_its_steps(method):
    """At no time are there more states alive than the stages of one step."""
    seen, most = [], []

    def field(t, x):
        v = -x
        seen.extend((weakref.ref(x), weakref.ref(v)))
        most.append(sum(state() is not None for state in seen))
        return (v,)

    for steps in (3, 30):
        most.clear()
        with torch.no_grad():
            solver = FixedStepSolver(method=method, steps=steps)
            (end,) = solver.solve(field, torch.randn(3, 17), start=0.0, end=1.0, rates=0)
        assert max(most) <= 8
        assert end.grad_fn is None


def test_a_share_of_the_time_takes_its_share_of_the_steps():
    solver = FixedStepSolver(method="rk4", steps=8)
    assert solver.part(0.25).steps == 2
    assert solver.part(0.01).steps == 1
    adaptive = AdaptiveSolver(method="dopri5", rtol=1e-3, atol=1e-3)
    assert adaptive.part(0.25) == adaptive
