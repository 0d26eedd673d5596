"""Solvers on ODEs whose solution is known, and against torchdiffeq's own."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
import torchdiffeq
from torchdiffeq._impl.odeint import SOLVERS as SOLVERS_OF_TORCHDIFFEQ

from genlab.bijections import AdaptiveSolver, FixedStepSolver
from genlab.bijections.by_torchdiffeq import UNWEIGHED as STAGES_WITHOUT_WEIGHT
from genlab.errors import RunError, UserError

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
@pytest.mark.parametrize(
    ("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4), ("adams", 3)]
)
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
        (
            lambda t, x: (x.square() * 1e3,),
            r"underflow in dt.*too steep.*`FixedStepSolver\(method='rk4'\)`",
        ),
        (lambda t, x: (torch.where(t > 0.5, math.nan, 1.0) * x,), r"non-finite.*`lr`"),
        (lambda t, x: (torch.where(t > 0.5, math.inf, 1.0) * x,), r"non-finite.*`lr`"),
    ],
)
def test_a_solver_that_gives_up_says_what_to_change(field, message, gradient):
    solver = AdaptiveSolver(method="dopri5", rtol=1e-6, atol=1e-6)
    adjoint = [] if gradient == "adjoint" else None
    with pytest.raises(RunError, match=f"(?s){message}"):
        solver.solve(field, torch.ones(3, 2), start=0.0, end=1.0, rates=0, adjoint=adjoint)


def swing(t, x):
    """``a' = 0, y' = a cos(at)``, so that ``y(t) = y(0) + sin(at)``: the harder, the larger a."""
    a = x[:, 0]
    rate = a * torch.cos(a * t)
    return torch.stack((0 * a, rate), 1), rate


@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
def test_a_hard_row_is_as_exact_among_many_easy_ones_as_alone(method):
    solver = AdaptiveSolver(method=method, rtol=1e-6, atol=1e-6)
    hard, found = torch.tensor([30.0, 0.5], dtype=torch.float64), []
    for n in (1, 10, 10_000):
        x = torch.stack((torch.ones(n), torch.linspace(-1, 1, n)), 1).double()
        x[-1] = hard
        end, integral = solver.solve(swing, x, start=0.0, end=1.0, rates=1)
        found.append(torch.stack((end[-1, 1] - 0.5, integral[-1])))
    for one in found:
        torch.testing.assert_close(one, found[0], atol=1e-12, rtol=0)
        torch.testing.assert_close(one, hard[0].sin().expand(2), atol=1e-5, rtol=0)


SOLVERS = {
    "fixed": FixedStepSolver(method="rk4", steps=20),
    "adaptive": AdaptiveSolver(method="dopri5", rtol=1e-6, atol=1e-6),
}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_a_row_that_is_not_finite_spoils_no_other(solver):
    x = torch.randn(5, 2, dtype=torch.float64)
    whole = solver.solve(linear, x, start=0.0, end=1.0, rates=1)
    x[1], x[3, 0] = math.nan, math.inf
    broken = solver.solve(linear, x, start=0.0, end=1.0, rates=1)
    for parts in zip(broken, whole, strict=True):
        torch.testing.assert_close(*(part[[0, 2, 4]] for part in parts), atol=1e-5, rtol=0)
    assert not broken[0][[1, 3]].isfinite().any(1).any()

    def uneven(t, x):
        """No velocity for one row."""
        return (torch.tensor([[1.0], [math.nan], [1.0]]).to(x) * x,)

    (found,) = solver.solve(uneven, torch.ones(3, 2).double(), start=1.0, end=0.0, rates=0)
    torch.testing.assert_close(
        found[[0, 2]], torch.full((2, 2), math.exp(-1)).double(), atol=1e-6, rtol=0
    )
    assert found[1].isnan().all()


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_over_no_time_nothing_moves(solver, gradient):
    def never(t, x):
        raise AssertionError("there is nothing to follow")

    adjoint = [] if gradient == "adjoint" else None
    x = torch.randn(4, 2, requires_grad=True)
    end, first, second = solver.solve(never, x, start=0.3, end=0.3, rates=2, adjoint=adjoint)
    assert torch.equal(end, x)
    assert torch.equal(first, torch.zeros(4))
    assert torch.equal(second, torch.zeros(4))
    end.sum().backward()
    assert torch.equal(x.grad, torch.ones(4, 2))
    # In single precision these are the same time.
    for start, end in ((0.3, 0.3 + 1e-10), (0.3 + 1e-10, 0.3)):
        moved, _ = solver.solve(linear, x, start=start, end=end, rates=1, adjoint=adjoint)
        torch.testing.assert_close(moved, x)


def test_a_finer_solver_is_at_least_ten_times_as_exact():
    for solver in (FixedStepSolver(method="euler", steps=20), SOLVERS["adaptive"]):
        assert error(solver.finer(), 0.0, 1.0) < 0.11 * error(solver, 0.0, 1.0)


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4", "adams"])
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


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_adams_evaluates_once_a_step_and_once_more(steps):
    """And its first steps are good enough for the order of the others."""
    calls = []

    def field(t, x):
        calls.append(t.item())
        return torch.full_like(x, 2 * t.item() - 1), t.square().expand(len(x))

    solver = FixedStepSolver(method="adams", steps=steps)
    x = torch.zeros(2, 3, dtype=torch.float64)
    end, integral = solver.solve(field, x, start=0.0, end=1.0, rates=1)
    assert len(calls) == steps + 1
    torch.testing.assert_close(end, x)
    assert (integral - 1 / 3).abs().max() < 1 / steps**3
    with pytest.raises(
        UserError, match="method=adams: has no adjoint ODE; expected `gradient='back"
    ):
        solver.solve(field, x, start=0.0, end=1.0, rates=1, adjoint=[])


UNWEIGHED = {
    "euler": (FixedStepSolver(method="euler", steps=3), 0, 3),
    "midpoint": (FixedStepSolver(method="midpoint", steps=3), 3, 3),
    "rk4": (FixedStepSolver(method="rk4", steps=3), 0, 12),
    "adams": (FixedStepSolver(method="adams", steps=5), 0, 6),
    "bosh3": (AdaptiveSolver(method="bosh3", rtol=1e-4, atol=1e-4), 0, None),
    "adaptive_heun": (AdaptiveSolver(method="adaptive_heun", rtol=1e-3, atol=1e-3), 0, None),
    "dopri5": (AdaptiveSolver(method="dopri5", rtol=1e-5, atol=1e-5), 1 / 6, None),
    "dopri8": (AdaptiveSolver(method="dopri8", rtol=1e-9, atol=1e-9), 4 / 13, None),
}


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize("name", UNWEIGHED)
def test_rates_are_asked_for_where_they_have_a_weight(name, gradient):
    """The solution is the same as if they were asked for everywhere."""
    solver, alone, weighed = UNWEIGHED[name]
    if name == "adams" and gradient == "adjoint":
        pytest.skip("there is none")
    matrix, calls = ROTATION.clone().requires_grad_(), {"field": 0, "velocity": 0}

    def field(t, x):
        calls["field"] += 1
        return x @ matrix.T, x.square().sum(1) * t

    def velocity(t, x):
        calls["velocity"] += 1
        return x @ matrix.T

    x = torch.randn(4, 2, dtype=torch.float64)
    adjoint = [matrix] if gradient == "adjoint" else None
    options = {"start": 1.0, "end": 0.0, "rates": 1, "adjoint": adjoint}
    plain = solver.solve(field, x, **options)
    taken = calls["field"]
    calls["field"] = 0
    found = solver.solve(field, x, velocity=velocity, **options)
    assert calls["field"] + calls["velocity"] == taken
    if weighed is None:
        steps = (taken - 2) / {"bosh3": 3, "adaptive_heun": 2, "dopri5": 6, "dopri8": 13}[name]
        assert calls["velocity"] == pytest.approx(alone * (taken - 2))
        assert steps == int(steps) > 1
    elif gradient == "backprop":
        assert (calls["velocity"], calls["field"]) == (alone, weighed)
    gradients = []
    for end, integral in (plain, found):
        (end.sum() + integral.square().sum()).backward()
        gradients.append(matrix.grad.clone())
        matrix.grad = None
    for ours, theirs in ((found, plain), gradients):
        torch.testing.assert_close(ours, theirs, atol=1e-13, rtol=1e-12)


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "bosh3", "adaptive_heun"])
def test_torchdiffeq_gives_these_stages_no_weight(method):
    solver = SOLVERS_OF_TORCHDIFFEQ[method]
    weights = torch.stack((solver.tableau.c_sol, solver.tableau.c_error, solver.mid))
    # The last is the next step's first.
    idle = (weights == 0).all(0)[:-1].nonzero().flatten().tolist()
    assert idle == list(range(1, 1 + STAGES_WITHOUT_WEIGHT.get(method, 0)))


def test_a_share_of_the_time_takes_its_share_of_the_steps():
    solver = FixedStepSolver(method="rk4", steps=8)
    assert solver.part(0.25).steps == 2
    assert solver.part(0.01).steps == 1
    # Of one step or two, Adams's method would be of order one.
    assert FixedStepSolver(method="adams", steps=8).part(0.25).method == "midpoint"
    adaptive = AdaptiveSolver(method="dopri5", rtol=1e-3, atol=1e-3)
    assert adaptive.part(0.25) == adaptive
