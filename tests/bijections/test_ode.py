"""The flow of an ODE against what is known of it in closed form."""

from __future__ import annotations

import copy

import pytest
import torch
from properties import FINE, RESIDUAL, SQUASH, disturb
from torch.distributions import MultivariateNormal

from genlab.bijections import ODE, AdaptiveSolver, FixedStepSolver
from genlab.bijections.ode import coarsely
from genlab.nn import Velocity

MATRIX = torch.tensor([[0.4, -1.0, 0.2], [0.7, -0.3, 0.0], [-0.1, 0.5, 0.6]], dtype=torch.float64)


class Linear(Velocity):
    """``v = A x``."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = torch.nn.Parameter(matrix.clone())

    def forward(self, x, t, context=None):
        return x @ self.matrix.T


def make(velocity, *, solver=FINE, evaluation=FINE, divergence="exact", gradient="backprop"):
    return ODE(
        velocity, solver=solver, evaluation=evaluation, divergence=divergence, gradient=gradient
    )


def disturbed(network=SQUASH, dim=2, context_dim=0):
    return disturb(network((dim,), context_dim=context_dim), 0.5).double()


@pytest.mark.parametrize("training", [False, True])
def test_a_linear_field_carries_a_gaussian_to_a_gaussian(training):
    solver = AdaptiveSolver(method="dopri5", rtol=1e-8, atol=1e-8)
    ode = make(Linear(MATRIX), solver=solver, evaluation=solver).train(training)
    x = 2 * torch.randn(200, 3, dtype=torch.float64)
    z, log_det = ode(x)
    log_prob = MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double()).log_prob(z)
    spread = torch.linalg.matrix_exp(MATRIX)
    truth = MultivariateNormal(torch.zeros(3).double(), spread @ spread.T).log_prob(x)
    torch.testing.assert_close(log_prob + log_det, truth, atol=1e-6, rtol=0)


def test_codes_are_latents_without_a_divergence():
    velocity, x = disturbed(), torch.randn(30, 2, dtype=torch.float64)
    ode = make(velocity)
    torch.testing.assert_close(ode.encode(x), ode(x)[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(ode.generate(ode.encode(x)), x, atol=1e-6, rtol=0)
    assert {"ode/nfe", "ode/nfe_sample"} == ode.evaluations().keys()


@pytest.mark.parametrize("network", [SQUASH, RESIDUAL])
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_adjoint_and_backprop_have_the_same_gradients(network, method):
    solver = {
        "dopri5": AdaptiveSolver(method="dopri5", rtol=1e-6, atol=1e-6),
        "rk4": FixedStepSolver(method="rk4", steps=40),
    }[method]
    velocity, x = disturbed(network), torch.randn(30, 2, dtype=torch.float64)
    gradients = []
    for gradient in ("backprop", "adjoint"):
        ode = make(copy.deepcopy(velocity), solver=solver, gradient=gradient).train()
        start = x.clone().requires_grad_()
        z, log_det = ode(start)
        (0.5 * z.square().sum() - log_det.sum()).backward()
        gradients.append([start.grad, *(p.grad for p in ode.velocity.parameters())])
        assert ("ode/nfe_backward" in ode.evaluations()) == (gradient == "adjoint")
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).norm() <= 1e-4 * theirs.norm()


def test_evaluations_are_counted():
    ode = make(disturbed(), solver=FixedStepSolver(method="rk4", steps=5), gradient="adjoint")
    x = torch.randn(4, 2, dtype=torch.float64)
    assert ode.evaluations() == {}
    ode.train()(x)[1].sum().backward()
    assert ode.evaluations()["ode/nfe"] == 20
    assert ode.evaluations()["ode/nfe_backward"] >= 20
    ode.generate(x)
    assert ode.evaluations()["ode/nfe_sample"] == 20
    ode.eval()(x)
    assert ode.evaluations()["ode/nfe"] > 20, "the evaluation's solver, outside of training"


def test_a_coarse_log_density_is_near_the_true_one_by_fewer_evaluations():
    matrix = 3 * MATRIX
    shipped = AdaptiveSolver(method="dopri8", rtol=1e-6, atol=1e-6)
    ode = make(Linear(matrix), evaluation=shipped).eval()
    x = 0.5 * torch.randn(200, 3, dtype=torch.float64)
    spread = torch.linalg.matrix_exp(matrix)
    truth = MultivariateNormal(torch.zeros(3).double(), spread @ spread.T).log_prob(x)
    errors, taken = [], []

    def measure():
        z, log_det = ode(x)
        base = MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double())
        errors.append((base.log_prob(z) + log_det - truth).abs().max().item())
        taken.append(ode.evaluations()["ode/nfe"])

    with torch.no_grad():
        with coarsely(torch.nn.Sequential(ode)):
            measure()
        measure()
    assert errors[1] < errors[0] < 3e-3
    assert taken[0] < taken[1]
    with pytest.raises(KeyboardInterrupt), coarsely(ode):
        raise KeyboardInterrupt
    assert ode.evaluation is shipped, "an interrupted validation too leaves it as it was"


@pytest.mark.parametrize(
    "chosen",
    [
        AdaptiveSolver(method="bosh3", rtol=1e-2, atol=1e-4),
        FixedStepSolver(method="midpoint", steps=50),
    ],
)
def test_what_is_coarse_already_is_left(chosen):
    assert chosen.coarser() is chosen


@pytest.mark.parametrize("network", [SQUASH, RESIDUAL])
def test_the_density_obeys_the_continuity_equation(network):
    """``d log p / dt = -div v`` along a path, and ``dp/dt = -div(p v)`` at a place."""
    # Steps that do not depend on the place: their error has no part in a difference.
    fixed = FixedStepSolver(method="rk4", steps=100)
    ode, h = make(disturbed(network), solver=fixed, evaluation=fixed), 1e-4
    normal = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    axis = torch.linspace(-2, 2, 9, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)

    def log_p(x, t):
        z, log_det = ode.between(0.0, t)(x)
        return normal.log_prob(z) + log_det

    for t in (0.3, 0.8):
        time = torch.tensor(t, dtype=torch.float64)
        v, divergence = ode.velocity.with_divergence(grid, time)
        x = grid.clone().requires_grad_()
        (score,) = torch.autograd.grad(log_p(x, t).sum(), x)
        with torch.no_grad():
            rate = (log_p(grid, t + h) - log_p(grid, t - h)) / (2 * h)
            ahead = ode.between(t, t + h).inverse(grid)[0]
            behind = ode.between(t - h, t).forward(grid)[0]
            moved = (log_p(ahead, t + h) - log_p(behind, t - h)) / (2 * h)
        torch.testing.assert_close(rate, -divergence - (v * score).sum(1), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(moved, -divergence, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_the_estimate_is_unbiased_with_one_probe_a_solve(kind):
    velocity = disturbed(RESIDUAL)
    exact = make(velocity)
    estimate = make(velocity, evaluation=FixedStepSolver(method="rk4", steps=10), divergence=kind)
    x = torch.randn(1, 2, dtype=torch.float64)
    with torch.no_grad():
        draws = estimate(x.expand(1000, -1))[1]
        truth = exact(x)[1]
    assert draws.std() > 0
    assert (draws.mean() - truth).abs() < 4 * draws.std() / len(draws) ** 0.5
    torch.manual_seed(3)
    first = estimate(x)[1]
    torch.manual_seed(3)
    assert torch.equal(first, estimate(x)[1])


def test_a_divergence_that_is_known_is_not_estimated(monkeypatch):
    monkeypatch.setattr(Linear, "knows_divergence", True)
    ode, exact = (make(Linear(MATRIX), divergence=how) for how in ("gaussian", "exact"))
    x = torch.randn(5, 3, dtype=torch.float64)
    assert torch.equal(ode(x)[1], exact(x)[1])
    # The norm of all products is.
    costs, all_products = (one.forward_with_costs(x, jacobian=True)[2] for one in (ode, exact))
    assert costs.jacobian.std() > 100 * all_products.jacobian.std()


@pytest.mark.parametrize("divergence", ["exact", "gaussian"])
def test_the_costs_of_the_paths_of_a_linear_field(divergence):
    ode = make(Linear(MATRIX), divergence=divergence)
    x = torch.randn(1, 3, dtype=torch.float64).expand(4000, -1)
    with torch.no_grad():
        z, log_det, costs = ode.forward_with_costs(x, jacobian=True)
        plain, _, alone = ode.forward_with_costs(x, jacobian=False)
    times = torch.linspace(0, 1, 2001, dtype=torch.float64)
    ways = torch.stack([torch.linalg.matrix_exp(MATRIX * (t - 1)) @ x[0] for t in times])
    kinetic = torch.trapezoid((ways @ MATRIX.T).square().sum(1), times)
    torch.testing.assert_close(costs.kinetic, kinetic.expand(4000), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone.kinetic, costs.kinetic)
    torch.testing.assert_close(plain, z)
    assert alone.jacobian is None
    error = 4 * costs.jacobian.std() / 4000**0.5 + 1e-9
    assert (costs.jacobian.mean() - MATRIX.square().sum()).abs() < error
    error = 4 * log_det.std() / 4000**0.5 + 1e-9
    assert (log_det.mean() + MATRIX.trace()).abs() < error


def test_the_stretches_make_up_the_whole():
    ode = make(disturbed(), solver=FixedStepSolver(method="midpoint", steps=16))
    x = torch.randn(20, 2, dtype=torch.float64)
    z, total = x, 0
    for step in ode.steps():
        z, log_det = step(z)
        total = total + log_det
    torch.testing.assert_close(z, ode(x)[0], atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(total, ode(x)[1], atol=1e-9, rtol=1e-9)
    back = z
    for step in reversed(ode.steps()):
        back = step.generate(back)
    torch.testing.assert_close(back, ode.generate(z))


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize("solver", [FINE, FixedStepSolver(method="rk4", steps=4)], ids=type)
def test_over_no_time_it_is_the_identity(solver, gradient):
    whole = make(disturbed(), solver=solver, evaluation=solver, gradient=gradient)
    x = torch.randn(6, 2, dtype=torch.float64)
    zeros = torch.zeros(6, dtype=torch.float64)
    for ode in (whole.between(0.4, 0.4), whole.between(1.0, 1.0).between(1.0, 1.0)):
        for part in (ode, *ode.steps()):
            for mapped, log_det in (part(x), part.inverse(x)):
                assert torch.equal(mapped, x)
                assert torch.equal(log_det, zeros)
            assert torch.equal(part.generate(x), x)
        z, _, costs = ode.forward_with_costs(x, jacobian=True)
        assert torch.equal(z, x)
        assert torch.equal(costs.kinetic, zeros)
        assert ode.evaluations() == dict.fromkeys(ode.evaluations(), 0)


def test_the_log_determinant_of_a_row_is_its_own():
    """A row far out, alone and among others, against a solve at a tolerance 1e5 times finer."""
    velocity = disturbed(RESIDUAL)
    ode, fine = (
        make(velocity, evaluation=AdaptiveSolver(method="dopri5", rtol=tolerance, atol=tolerance))
        for tolerance in (1e-5, 1e-10)
    )
    x = torch.randn(3000, 2, dtype=torch.float64) / 10
    x[-1] = torch.tensor([-2.0, 3.0])
    with torch.no_grad():
        truth = fine.eval()(x[-1:])[1]
        for n in (1, 10, 3000):
            torch.testing.assert_close(ode.eval()(x[-n:])[1][-1:], truth, atol=2e-4, rtol=0)


@pytest.mark.parametrize("divergence", ["exact", "rademacher"])
def test_a_context_that_is_not_finite_spoils_no_other_row(divergence):
    ode = make(disturbed(context_dim=3), divergence=divergence)
    x, context = torch.randn(5, 2).double(), torch.randn(5, 3).double()
    torch.manual_seed(0)
    z, log_det = ode(x, context)
    context[2, 1] = torch.nan
    torch.manual_seed(0)
    found, log_dets = ode(x, context)
    rest = [0, 1, 3, 4]
    torch.testing.assert_close(found[rest], z[rest], atol=1e-7, rtol=0)
    torch.testing.assert_close(log_dets[rest], log_det[rest], atol=1e-7, rtol=0)
    assert found[2].isnan().all()
    assert log_dets[2].isnan()


def test_the_training_solver_trains_and_the_other_one_evaluates():
    euler = FixedStepSolver(method="euler", steps=2)
    ode = make(disturbed(), solver=euler)
    x = torch.randn(20, 2, dtype=torch.float64)
    t, half = torch.tensor([1.0, 0.5]).double(), 0.5
    first = x - half * ode.velocity(x, t[0])
    torch.testing.assert_close(ode.train()(x)[0], first - half * ode.velocity(first, t[1]))
    torch.testing.assert_close(ode.eval()(x)[0], make(ode.velocity).eval()(x)[0])


def test_without_gradients_there_is_no_graph():
    for gradient in ("backprop", "adjoint"):
        ode = make(disturbed(), gradient=gradient)
        with torch.no_grad():
            z, log_det = ode(torch.randn(4, 2, dtype=torch.float64))
        assert z.grad_fn is None
        assert log_det.grad_fn is None
