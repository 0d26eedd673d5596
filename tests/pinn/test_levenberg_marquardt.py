"""Levenberg and Marquardt's steps, against scipy's least squares and the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import Tensor

from genlab.pinn.least_squares import LeastSquares
from genlab.pinn.levenberg_marquardt import LevenbergMarquardt
from genlab.pinn.normal_equations import DenseEquations, linearised


class Fit(LeastSquares):
    """``a exp(-b t) + c sin(d t) - y``, to be made zero at all times."""

    def __init__(self) -> None:
        self.t = torch.linspace(0, 3, 40, dtype=torch.float64)
        self.y = 2 * torch.exp(-1.3 * self.t) + 0.5 * torch.sin(2.1 * self.t)
        self.y += 0.05 * torch.cos(9 * self.t)
        self.asked = 0

    def rows(self, theta: Tensor) -> Tensor:
        self.asked += 1
        a, b, c, d = theta
        return a * torch.exp(-b * self.t) + c * torch.sin(d * self.t) - self.y

    def linearise(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        return self.rows(theta), torch.func.jacfwd(self.rows)(theta)


START = torch.tensor([1.0, 0.5, 1.0, 1.5], dtype=torch.float64)


@pytest.mark.parametrize("acceleration", [True, False])
def test_it_ends_where_scipy_does(acceleration: bool) -> None:
    problem, method = Fit(), LevenbergMarquardt(acceleration=acceleration)
    theta = START
    losses = []
    for _ in range(60):
        step = method.step(problem, theta)
        theta = step.theta
        losses.append(step.loss)
        assert step.loss <= step.before
    found = least_squares(
        lambda x: problem.rows(torch.from_numpy(x)).numpy(), START.numpy(), xtol=1e-15, gtol=1e-15
    )
    torch.testing.assert_close(theta, torch.from_numpy(found.x), atol=1e-6, rtol=0)
    assert losses[-1] == pytest.approx(2 * found.cost, rel=1e-10)


@pytest.mark.parametrize(("n", "p"), [(30, 7), (7, 30), (9, 9)])
def test_rows_and_weights_give_the_same_direction(n: int, p: int) -> None:
    jacobian, r = torch.randn(n, p).double(), torch.randn(n).double()
    mean = jacobian.square().sum() / p
    damped = jacobian.T @ jacobian + 0.3 * mean * torch.eye(p).double()
    solve = DenseEquations(jacobian).factor(0.3)
    assert solve is not None
    torch.testing.assert_close(solve(r), torch.linalg.solve(damped, jacobian.T @ r))


def test_without_damping_what_has_no_rank_has_no_factor() -> None:
    column = torch.randn(20, 1).double()
    assert DenseEquations(column.expand(20, 3).contiguous()).factor(-1e-9) is None


def test_what_is_not_finite_is_rejected_and_costs_damping() -> None:
    class Wall(Fit):
        def rows(self, theta: Tensor) -> Tensor:
            away = (theta - START).norm() > 1e-3
            return super().rows(theta) * (torch.nan if away else 1.0)

    method = LevenbergMarquardt(tries=3)
    step = method.step(Wall(), START)
    assert not step.accepted
    assert step.loss == step.before
    assert torch.equal(step.theta, START)
    assert method.damping == 1e-2, "clipped for the next points"
    assert method.growth == 2


def test_it_goes_on_to_the_bit() -> None:
    problem, method, theta = Fit(), LevenbergMarquardt(), START
    for _ in range(3):
        theta = method.step(problem, theta).theta
    other = LevenbergMarquardt(damping=7.0)
    other.load_state_dict(method.state_dict())
    assert torch.equal(method.step(problem, theta).theta, other.step(problem, theta).theta)


def test_the_bend_is_half_the_second_derivative_along_the_step() -> None:
    """On a parabola, one undamped step with it leaves an error of fourth order, not of second."""

    class Parabola(LeastSquares):
        def rows(self, theta: Tensor) -> Tensor:
            return theta + 0.1 * theta.square()

        def linearise(self, theta: Tensor) -> tuple[Tensor, Tensor]:
            return self.rows(theta), torch.diag(1 + 0.2 * theta)

    theta = torch.tensor([0.5], dtype=torch.float64)
    bent, straight = (
        LevenbergMarquardt(damping=1e-14, acceleration=acceleration).step(Parabola(), theta)
        for acceleration in (True, False)
    )
    assert bent.loss < 0.03 * straight.loss
    assert np.sqrt(straight.loss) == pytest.approx(0.1 * (0.5250 / 1.1) ** 2, rel=1e-3)


@pytest.mark.parametrize(("n", "p"), [(30, 7), (7, 30)])
def test_products_alone_give_the_same_direction(n: int, p: int) -> None:
    class Linear(LeastSquares):
        def rows(self, theta: Tensor) -> Tensor:
            return jacobian @ theta - y

        def linearise(self, theta: Tensor) -> tuple[Tensor, Tensor]:
            return self.rows(theta), jacobian

    jacobian, y = torch.randn(n, p).double(), torch.randn(n).double()
    theta = torch.zeros(p).double()
    r, made = linearised(Linear(), theta, dense=p)
    same, not_made = linearised(Linear(), theta, dense=p - 1)
    assert torch.equal(r, same)
    # The mean of the diagonal is estimated by some probes.
    assert not_made.mean == pytest.approx(made.mean, rel=0.5)
    direct, iterated = made.factor(0.3), not_made.factor(0.3 * made.mean / not_made.mean)
    assert direct is not None
    assert iterated is not None
    torch.testing.assert_close(iterated(r), direct(r), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(not_made.ahead(theta + 1), jacobian.sum(1))


def test_a_fit_by_products_alone_ends_where_scipy_does() -> None:
    problem, method, theta = Fit(), LevenbergMarquardt(dense=1), START
    for _ in range(60):
        theta = method.step(problem, theta).theta
    found = least_squares(lambda x: problem.rows(torch.from_numpy(x)).numpy(), START.numpy())
    torch.testing.assert_close(theta, torch.from_numpy(found.x), atol=1e-5, rtol=0)
