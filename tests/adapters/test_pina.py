"""Samplers in PINA's own training loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from genlab.errors import UserError
from genlab.models import GMM
from genlab.pde import Box
from genlab.samplers import DAS, Points, Sampler

pytest.importorskip("pina")

from pina import Condition, LabelTensor, Trainer
from pina.domain import CartesianDomain, EllipsoidDomain
from pina.equation import Equation
from pina.problem import SpatialProblem
from pina.solver import PhysicsInformedSingleModelSolver

from genlab.adapters.pina import AdaptiveRefinement, domain_of

# Of Lightning and of PINA's trainer, which has no validation here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

INTERVAL = CartesianDomain({"x": [0, 2]})


class Moving(Sampler):
    """Three points of the density ``x / 2`` on [0, 2], others at each draw."""

    def _draw(self) -> Points:
        x = torch.tensor([[0.25], [0.5], [1.0]]) * (1 + self.round * 0.5 + self.draw * 0.1)
        return Points(x, (x[:, 0] / 2).log())

    def _first(self) -> Points:
        return self._draw()

    def _refresh(self, points, indicator) -> Points:
        self.seen = indicator(points.x)
        return self._draw()

    def _redraw(self, points) -> Points:
        return self._draw()


class Identity(torch.nn.Module):
    """u = x, with a parameter that changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x.as_subclass(torch.Tensor)[:, :1] + 0 * self.weight


def solver(seen=None, domain=INTERVAL):
    """A problem whose residual is u^2, which notes where it is asked for."""

    def square(x, u):
        if seen is not None:
            seen.append(x.as_subclass(torch.Tensor).detach().clone()[:, 0].tolist())
        return u.square()

    class Square(SpatialProblem):
        output_variables = ["u"]  # noqa: RUF012
        spatial_domain = domain
        domains = {"inside": domain}  # noqa: RUF012
        conditions = {"pde": Condition(domain="inside", equation=Equation(square))}  # noqa: RUF012

    problem = Square()
    problem.discretise_domain(7, domains=["inside"])
    return PhysicsInformedSingleModelSolver(problem, Identity())


def train(solver, callback, steps, **settings):
    quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger"), False)
    trainer = Trainer(
        solver,
        max_epochs=steps,
        accelerator="cpu",
        callbacks=[callback],
        enable_checkpointing=False,
        **quiet,
        **settings,
    )
    trainer.train()
    return float(trainer.callback_metrics["train_loss"])


def refinement(**settings):
    sampler = Moving(domain=domain_of(INTERVAL), n_points=3)
    return AdaptiveRefinement(sampler, condition="pde", **settings)


def test_steps_are_taken_on_the_points_of_the_sampler() -> None:
    seen: list[list[float]] = []
    callback = refinement(refresh=4, redraw=2)
    train(solver(seen), callback, 5)
    first, redrawn, refreshed = [0.25, 0.5, 1.0], [0.4, 0.8, 1.6], [0.375, 0.75, 1.5]
    expected = [first, first, redrawn, redrawn, redrawn, refreshed]  # the fifth one is the look
    assert [pytest.approx(x) for x in expected] == seen
    torch.testing.assert_close(callback.schedule.sampler.seen, torch.tensor(redrawn).double() ** 4)


def test_the_points_of_a_minibatch_are_all_of_the_sampler() -> None:
    seen: list[list[float]] = []
    train(solver(seen), refinement(), 1, batch_size=3)
    assert seen == [[0.25, 0.5, 1.0]] * 3


@pytest.mark.parametrize("weigh", [True, False])
def test_the_loss_is_that_of_weighed_residuals(weigh: bool) -> None:
    x = torch.tensor([0.25, 0.5, 1.0])
    expected = (x**4 / (x if weigh else 1)).mean()  # |Omega| q = x
    assert train(solver(), refinement(weigh=weigh), 1) == pytest.approx(expected)


def test_other_points_are_not_weighed() -> None:
    subject, callback = solver(), refinement()
    train(subject, callback, 1)
    x = LabelTensor(callback.input.as_subclass(torch.Tensor).clone(), ["x"])
    residual = subject.problem.conditions["pde"].evaluate({"input": x}, subject)
    assert residual[:, 0].tolist() == pytest.approx([1 / 16, 1 / 4, 1])


def test_a_second_training_weighs_once() -> None:
    subject, callback = solver(), refinement()
    assert train(subject, callback, 1) == pytest.approx(train(subject, callback, 1))


def test_das_follows_the_residual() -> None:
    square = CartesianDomain({"y": [0, 1], "x": [0, 2]})
    sampler = DAS(domain=domain_of(square), n_points=400, model=GMM(2), candidates=2000)
    assert sampler.domain.box == ((0, 2), (0, 1))
    callback = AdaptiveRefinement(sampler, condition="pde", refresh=2, redraw=1)
    train(solver(domain=square), callback, 5)
    assert (sampler.round, sampler.draw) == (3, 1)
    x = callback.input.extract(["x"]).as_subclass(torch.Tensor)
    assert 0.6 < (x > 1).float().mean() < 0.9  # half of q is uniform, the other half x^4
    assert callback.input.extract(["y"]).max() <= 1


@pytest.mark.parametrize(
    "domain",
    [EllipsoidDomain({"x": [0, 1], "y": [0, 1]}), CartesianDomain({"x": [0, 1], "y": 0.0}), 3],
)
def test_what_has_no_box_is_refused(domain) -> None:
    with pytest.raises(UserError, match="has no box; expected a CartesianDomain"):
        domain_of(domain)


def test_a_domain_of_another_dimension_is_refused() -> None:
    sampler = Moving(domain=Box([(0, 1)] * 2), n_points=3)
    with pytest.raises(UserError, match="its domain has dim 2, expected 1, of x"):
        train(solver(), AdaptiveRefinement(sampler, condition="pde"), 1)


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where Lightning leaves its logs
    text = (Path(__file__).parents[2] / "examples" / "peak_pina.py").read_text()
    found: dict[str, object] = {}
    exec(text.replace("2000", "12").replace("refresh=300", "refresh=8"), found)
    assert found["das"].round == 2
