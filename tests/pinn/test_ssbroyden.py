"""Self-scaled Broyden steps, against the published implementation, scipy and the formulas."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.optimize import minimize
from small import SOLVE
from torch import Tensor

import genlab
from genlab.assembly import Solve, from_config
from genlab.config.stored import read_config
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.pde import Burgers, Corner, Problem
from genlab.pinn.least_squares import LeastSquares
from genlab.pinn.network import Network
from genlab.pinn.rows import Rows, Term
from genlab.pinn.ssbroyden import Family, SSBroyden, updated


class Rosenbrock(LeastSquares):
    """The banana, from where it usually begins."""

    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)

    def __init__(self) -> None:
        self.asked = 0

    def rows(self, theta: Tensor) -> Tensor:
        return torch.stack((10 * (theta[1] - theta[0] ** 2), 1 - theta[0]))

    def linearise(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        self.asked += 1
        return self.rows(theta), torch.func.jacfwd(self.rows)(theta)


class Fit(Rosenbrock):
    """``a exp(-b t) + c sin(d t) - y``, to be made zero at all times."""

    start = torch.tensor([1.0, 0.5, 1.0, 1.5], dtype=torch.float64)
    t = torch.linspace(0, 3, 40, dtype=torch.float64)
    y = 2 * torch.exp(-1.3 * t) + 0.5 * torch.sin(2.1 * t) + 0.05 * torch.cos(9 * t)

    def rows(self, theta: Tensor) -> Tensor:
        a, b, c, d = theta
        return a * torch.exp(-b * self.t) + c * torch.sin(d * self.t) - self.y


PROBLEMS = {"rosenbrock": Rosenbrock, "fit": Fit}

# The losses after so many steps, and then the weights and the first row of H after the tenth, of
# the authors' modified _optimize.py (github.com/jorgeurban/self_scaled_algorithms_pinns, commit
# a4e7bc1), methods SSBroyden2 and SSBFGS_AB, inside scipy 1.17.1: `_minimize_bfgs(f, start,
# jac=gradient, method_bfgs=..., gtol=1e-12)`. It searches by MINPACK's dcsrch and, where that
# fails, by scipy's line_search; here dcsrch was made to fail always.
PUBLISHED: dict[tuple[str, Family], tuple[dict[int, float], list[float], list[float]]] = {
    ("rosenbrock", "broyden"): (
        {
            1: 11.569272759160928,
            2: 2.624971022425152,
            3: 2.401269570382112,
            5: 2.3055251137077852,
            10: 1.2249250267166032,
            20: 0.12847464624781813,
            30: 3.678030757779794e-05,
        },
        [-0.05465276255632277, -0.030573852822748836],
        [0.07455481229751286, -0.017688781461661144],
    ),
    ("rosenbrock", "bfgs"): (
        {
            1: 11.569272759160928,
            2: 2.6249710224251688,
            3: 2.401269570382112,
            5: 2.3055251137077883,
            10: 1.2308955011659977,
            20: 0.19535731281194937,
            30: 0.0008073713169513754,
        },
        [-0.054825374104392324, -0.03138006663883018],
        [0.07480190040154616, -0.017493479132348014],
    ),
    ("fit", "broyden"): (
        {
            1: 7.313376699061026,
            2: 5.347503170500571,
            3: 2.7518867315581126,
            5: 0.9958843595555659,
            10: 0.048605699485111425,
            12: 0.048605584995609824,
        },
        [2.0151649825005298, 1.3085226508130625, 0.4973519187009039, 2.1045279637771555],
        [0.27637999485686104, 0.1672355243425015, -0.03575614069860706, -0.023332463110183704],
    ),
    ("fit", "bfgs"): (
        {
            1: 7.313376699061026,
            2: 5.356062340976802,
            3: 2.7674010037400754,
            5: 0.5892133666971995,
            10: 0.04865134178393399,
            12: 0.04860558751170786,
        },
        [2.017090931593451, 1.3104284502784829, 0.4962047315069796, 2.1033341708453595],
        [0.19987305163178087, 0.11831244058092677, -0.026009711552621502, -0.00762448917504413],
    ),
}
# What the same code ends at as it stands, by dcsrch, after 14 and 16 steps.
MINIMUM = 0.0486055849696644


@pytest.mark.parametrize(("name", "family"), PUBLISHED)
def test_it_goes_the_way_of_the_published_implementation(name: str, family: Family) -> None:
    losses, weights, inverse = PUBLISHED[name, family]
    problem, method = PROBLEMS[name](), SSBroyden(family=family)
    theta, found = problem.start, {}
    for number in range(1, max(losses) + 1):
        step = method.step(problem, theta)
        assert step.accepted
        theta, found[number] = step.theta, step.loss
        if number == 10:
            torch.testing.assert_close(theta.tolist(), weights, rtol=1e-7, atol=0)
            assert method.inverse is not None
            torch.testing.assert_close(method.inverse[0].tolist(), inverse, rtol=1e-6, atol=0)
    # Rounding grows from step to step, as both are steered by differences of gradients.
    assert {number: found[number] for number in losses} == pytest.approx(losses, rel=1e-6)


@pytest.mark.parametrize("family", ["broyden", "bfgs"])
def test_it_ends_where_scipy_does(family: Family) -> None:
    problem, method = Fit(), SSBroyden(family=family)
    theta = problem.start
    for _ in range(25):
        step = method.step(problem, theta)
        assert step.loss <= step.before
        theta = step.theta
    found = minimize(
        lambda x: problem.rows(torch.from_numpy(x)).square().sum().item(),
        problem.start.numpy(),
        jac=lambda x: problem.gradient(torch.from_numpy(x))[1].numpy(),
        method="BFGS",
        options={"gtol": 1e-9},
    )
    assert step.loss == pytest.approx(MINIMUM, rel=1e-12)
    assert step.loss == pytest.approx(found.fun, rel=1e-12)
    torch.testing.assert_close(theta, torch.from_numpy(found.x), atol=1e-7, rtol=0)


@pytest.mark.parametrize("family", ["broyden", "bfgs"])
@pytest.mark.parametrize("n", [2, 7, 40])
def test_the_formula(n: int, family: Family) -> None:
    """By the definitions themselves, in ``B = H^-1``, at steps of all kinds."""
    kinds = set()
    for _ in range(50):
        half, curved = torch.randn(2, n, n).double() / n**0.5
        inverse, y = half @ half.T + 0.1 * torch.eye(n), torch.randn(n).double()
        b_matrix, s = torch.linalg.inv(inverse), (curved @ curved.T + 0.1 * torch.eye(n)) @ y
        s *= torch.randn(()).exp() * (y @ s) / (s @ b_matrix @ s)
        ys, bs = y @ s, b_matrix @ s
        b, h = s @ bs / ys, y @ inverse @ y / ys
        a = b * h - 1
        c = (a / (a + 1)).sqrt()
        rho = torch.minimum(torch.ones_like(h), h * (1 - c))
        theta = torch.maximum((rho - 1) / a, torch.minimum(1 / rho, (1 - b) / b))
        theta = theta if family == "broyden" else torch.zeros_like(b)
        tau = torch.minimum(torch.ones_like(b), 1 / b)
        if family == "broyden":
            root = (1 + theta * a) ** (-1 / (n - 1))
            tau = (
                torch.minimum(tau * root, 1 + theta * a)
                if theta <= 0
                else tau * min(root, 1 / theta)
            )
        kinds.add(bool(theta > 0))
        # The family of Broyden in B, of which the method is one in H.
        w = (s @ bs).sqrt() * (y / ys - bs / (s @ bs))
        new_b = tau * (b_matrix - torch.outer(bs, bs) / (s @ bs) + theta * torch.outer(w, w))
        new_b += torch.outer(y, y) / ys
        new = updated(inverse, s, y, bs, family=family)
        assert new is not None
        torch.testing.assert_close(new @ y, s, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(new @ new_b, torch.eye(n).double(), rtol=0, atol=1e-8)
        torch.testing.assert_close(new, new.T)
        assert torch.linalg.eigvalsh(new).min() > 0
    assert family == "bfgs" or kinds == {True, False}


def test_where_the_gradient_bends_as_expected_nothing_is_learned_but_the_step() -> None:
    """``y = B s`` leaves no direction in which the formulas differ, nor a zero to divide by."""
    s = torch.tensor([0.3, -0.7, 0.1]).double()
    torch.testing.assert_close(updated(None, s, s, s, family="broyden"), torch.eye(3).double())


@pytest.mark.parametrize("family", ["broyden", "bfgs"])
def test_where_rounding_left_nothing_to_learn_from_it_starts_anew(family: Family) -> None:
    s = torch.tensor([0.3, -0.7, 0.1]).double()
    for step, y in ((s, -s), (0 * s, s), (s, 0 * s)):
        assert updated(None, step, y, step, family=family) is None
    assert updated(-torch.eye(3).double(), s, s, -s, family=family) is None


def test_what_is_far_from_what_was_expected_is_finite() -> None:
    s, y = torch.tensor([[1.0, 1e-9], [1e-9, 1.0]]).double()
    new = updated(None, s, y, s, family="broyden")
    assert new is not None
    assert new.isfinite().all(), "1 - c is below rounding"


def test_a_gradient_of_other_points_is_not_subtracted() -> None:
    class Shifted(Rosenbrock):
        def rows(self, theta: Tensor) -> Tensor:
            return super().rows(theta) + 1

    method, problem = SSBroyden(), Rosenbrock()
    theta = method.step(problem, problem.start).theta
    inverse, other = method.inverse, Shifted()
    assert inverse is not None
    method.renew()
    step = method.step(other, theta)
    r, gradient = other.gradient(theta)
    assert step.before == float(r @ r)
    moved = step.theta - theta
    y = other.gradient(step.theta)[1] - gradient
    assert method.inverse is not None
    torch.testing.assert_close(method.inverse @ y, moved)
    along = inverse @ gradient
    torch.testing.assert_close(moved / moved.norm(), -along / along.norm())


def test_a_step_asks_for_no_gradient_twice() -> None:
    problem, method = Fit(), SSBroyden()
    step = method.step(problem, problem.start)
    assert problem.asked == 1 + step.tries
    problem.asked = 0
    assert method.step(problem, step.theta).tries == problem.asked
    # Weights that someone else has moved are no end of a step.
    problem.asked = 0
    step = method.step(problem, problem.start)
    assert step.tries == problem.asked - 1


def test_a_step_that_fails_starts_anew() -> None:
    class Wall(Fit):
        def rows(self, theta: Tensor) -> Tensor:
            away = (theta - self.wall).norm() > 1e-14
            return super().rows(theta) * (torch.nan if away else 1.0)

    problem, method = Wall(), SSBroyden()
    theta = method.step(Fit(), problem.start).theta
    assert method.inverse is not None
    problem.wall = theta
    step = method.step(problem, theta)
    assert not step.accepted
    assert torch.equal(step.theta, theta)
    assert torch.equal(step.rows, problem.rows(theta))
    assert step.loss == step.before == float(step.rows @ step.rows)
    assert method.inverse is None
    # From the best point, there is no way down at all.
    flat = torch.tensor([1.0, 1.0]).double()
    assert not SSBroyden().step(Rosenbrock(), flat).accepted


def test_it_goes_on_to_the_bit() -> None:
    problem, method = Fit(), SSBroyden()
    theta = problem.start
    for _ in range(3):
        theta = method.step(problem, theta).theta
    other = SSBroyden()
    other.load_state_dict(method.state_dict())
    for _ in range(2):
        one, asked = method.step(problem, theta), problem.asked
        two = other.step(problem, theta)
        assert torch.equal(one.theta, two.theta)
        assert problem.asked == asked + two.tries
        theta = one.theta


@pytest.mark.parametrize("problem", [Burgers(), Corner()], ids=["hard", "soft"])
def test_the_gradient_of_rows_is_that_of_the_jacobian(problem: Problem) -> None:
    soft = isinstance(problem, Corner)
    network = Network(problem, hidden=[8, 8], boundary="soft" if soft else "auto").double()
    network.centre, network.scale = network.centre.double(), network.scale.double()
    draw = torch.Generator().manual_seed(0)
    frame = network.frame(network.cast(problem.domain.sample(30, generator=draw)))
    terms = [Term(frame, network.residual, torch.rand(30).double())]
    for _ in range(2 if soft else 1):
        rows = Rows(network, terms)
        theta = rows.theta
        r, jacobian = rows.linearise(theta)
        again, gradient = rows.gradient(theta)
        assert not again.requires_grad
        torch.testing.assert_close(again, r)
        torch.testing.assert_close(gradient, 2 * (r @ jacobian))
        terms += network.conditions(draw)


def test_whoever_writes_to_the_network_does_not_write_to_the_weights_asked_for() -> None:
    network = Network(Burgers(), hidden=[4]).double()
    rows = Rows(network, [])
    theta = torch.zeros_like(rows.theta)
    rows.theta = theta
    with torch.no_grad():
        next(network.parameters()).fill_(1.0)
    assert not theta.any()


DAS = ("sampler=das", "model=gmm", "sampler.candidates=100", "sampler.redraw=4")
DAS += ("sampler.fit.steps=3", "logger=none", "callbacks=minimal")


@pytest.mark.parametrize("boundary", ["hard", "soft"])
def test_a_solve_that_is_resumed_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    """Where the points stay as they were, the first step goes on from the last gradient."""
    for name in ("pinn.stages.SIZE", "pinn.solution.SIZE", "pde.problem.SIDE"):
        monkeypatch.setattr(f"genlab.{name}", 25)
    monkeypatch.setattr(Solve, "_draw", lambda *_: {})
    problem = {"hard": "problem=peak", "soft": "problem=lshape"}[boundary]
    words = (*SOLVE, *DAS, problem, "optimizer=ssbroyden", f"pinn.boundary={boundary}")
    ends = []
    for steps in (30, 15):
        folder = f"outputs={tmp_path / str(steps)}"
        last = f"trainer.max_steps={steps}"
        run = genlab.experiment(*words, folder, last, command="solve")
        run.fit()
        if steps < 30:
            config = read_config(run.directory)
            config.trainer.max_steps = 30
            from_config(config, run.directory).fit(resume=True)
        ends.append(load_checkpoint(run.directory.last))
    one, other = ends
    for key, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][key])
    (first, second) = (end["solve"] for end in ends)
    assert first["evaluations"] == second["evaluations"]
    assert first["method"]["previous_loss"] == second["method"]["previous_loss"]
    assert torch.equal(first["method"]["inverse"], second["method"]["inverse"])
