"""The error that a solver leaves in log-densities, where the true ones are known."""

from __future__ import annotations

import math

import pytest
import torch
from properties import cnf

from genlab.batch import Batch
from genlab.bijections import AdaptiveSolver, FixedStepSolver, Standardise
from genlab.evaluation import evaluate
from genlab.nn import Velocity


class Growth(Velocity):
    """``v = k x``, of which the log-density is that of a normal of deviation e^k."""

    def __init__(self, event_shape, *, context_dim):
        super().__init__()
        self.k = torch.nn.Parameter(torch.tensor(0.7))

    def forward(self, x, t, context=None):
        v = self.k * x
        return v if context is None else v + context.sum(1, keepdim=True)


def make(solver, **options):
    model = cnf(2, network=Growth, evaluation=solver, **options)
    model.preprocessing = Standardise((2,))
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["euler", "midpoint"])
def test_it_is_the_difference_from_the_true_log_density(method, dtype):
    model = make(FixedStepSolver(method=method, steps=10)).to(dtype).train()
    x = torch.randn(300, 2)
    first = x[:100].double()
    k = model.ode.velocity.k.item()
    truth = -0.5 * (first / math.exp(k)).square().sum(1) - math.log(2 * math.pi) - 2 * k
    with torch.no_grad():
        error = (model.eval().log_prob(first.to(dtype)).double() - truth).abs().max().item()
    model.train()
    assert model.solver_error(Batch(x)) == pytest.approx(error, rel=0.12)
    assert model.training
    assert model.dtype == dtype


def test_a_fine_solver_leaves_what_the_number_type_resolves():
    x = torch.randn(50, 2)
    fine = make(AdaptiveSolver(method="dopri8", rtol=1e-9, atol=1e-9))
    assert 1e-8 < fine.solver_error(Batch(x)) < 1e-5
    assert fine.double().solver_error(Batch(x)) < 1e-8


def test_each_row_has_its_own_context():
    model = make(FixedStepSolver(method="euler", steps=10), context_dim=1)
    x, context = torch.randn(30, 2), torch.arange(30.0)[:, None] / 10
    whole = model.solver_error(Batch(x, context))
    last = model.solver_error(Batch(x[-1:], context[-1:]))
    assert 0 < model.solver_error(Batch(x, context), rows=1) < whole
    assert last <= whole * (1 + 1e-4)


@pytest.mark.parametrize("divergence", ["exact", "rademacher", "gaussian"])
def test_an_evaluation_reports_it(divergence, generator):
    """Of an estimate that of the solver alone: both follow the same probe."""
    model = make(FixedStepSolver(method="midpoint", steps=4), divergence=divergence)
    test = Batch(2 * torch.randn(200, 2))
    metrics = evaluate(model, test=test, target=None, generator=generator)
    assert metrics["ode/error"] == model.solver_error(test)
    assert metrics["ode/nfe"] == 8, "of the model's own solver"
    exact = make(FixedStepSolver(method="midpoint", steps=4)).solver_error(test)
    # The error of this field is that of its end: its divergence is a constant.
    assert metrics["ode/error"] == pytest.approx(exact, rel=0.01)


def test_of_fields_a_few_rows_are_enough(monkeypatch):
    solver = FixedStepSolver(method="midpoint", steps=4)
    model = cnf((1, 32, 32), network=Growth, evaluation=solver, divergence="rademacher")
    forward, seen = Growth.forward, set()

    def counted(self, x, t, context=None):
        seen.add(len(x))
        return forward(self, x, t, context)

    monkeypatch.setattr(Growth, "forward", counted)
    assert model.solver_error(Batch(torch.randn(60, 1, 32, 32))) > 0
    assert seen == {8}
