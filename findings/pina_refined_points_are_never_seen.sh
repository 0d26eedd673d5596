#!/usr/bin/env bash
# pina-mathlab 0.3.2, torch 2.13.0 (CPU build), lightning 2.6.6, Python 3.11.
#
# A good engineer would guess: after R3Refinement has refined the points of a condition, the next
#   steps take the residual there; that is what it is for.
# What happens: the refined points are stored, `condition.data.input` shows them, and the residual
#   that chooses the next ones is taken there. But a batch is made from `condition.data.data`, and
#   without a batch size once only, before the first epoch: each step is taken on the first points.
# What to do: put the points into the batch in a callback's `on_train_batch_start`, or keep in mind
#   that a run with R3Refinement is one with fixed points.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6 pina-mathlab==0.3.2
cd "$work"
"$work/venv/bin/python" -W ignore - 2> /dev/null <<'PYTHON'
from importlib.metadata import version

import torch
from pina import Condition, Trainer
from pina.callback import R3Refinement
from pina.domain import CartesianDomain
from pina.equation import Equation
from pina.model import FeedForward
from pina.operator import laplacian
from pina.problem import SpatialProblem
from pina.solver import PhysicsInformedSingleModelSolver

asked = []


def residual(x, u):
    asked.append(x.as_subclass(torch.Tensor).detach().clone())
    return laplacian(u, x) + 1


class Poisson(SpatialProblem):
    interval = CartesianDomain({"x": [0, 1]})
    output_variables = ["u"]
    spatial_domain = interval
    domains = {"inside": interval}
    conditions = {"pde": Condition(domain="inside", equation=Equation(residual))}


def new(**settings):
    """The shares of the stored points, and of the last step's, that are not of the first ones."""
    torch.manual_seed(0)
    problem = Poisson()
    problem.discretise_domain(20, domains=["inside"])
    first = problem.discretised_domains["inside"].as_subclass(torch.Tensor).clone()
    solver = PhysicsInformedSingleModelSolver(problem, FeedForward(input_dimensions=1, output_dimensions=1))
    Trainer(
        solver, max_epochs=6, accelerator="cpu", callbacks=[R3Refinement(sample_every=2)],
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **settings,
    ).train()
    stored = problem.conditions["pde"].data.input.as_subclass(torch.Tensor).detach()
    return [1 - torch.isin(x, first).double().mean().item() for x in (stored, asked[-1])]


print("pina", version("pina-mathlab"))
seen = {"no batch size": new(), "batch_size=5": new(batch_size=5)}
for name, (stored, last) in seen.items():
    print(f"{name}: new are {stored:.0%} of the stored points, {last:.0%} of the last step's")
usual = all(stored > 0.5 and last == 0 for stored, last in seen.values())
raise SystemExit(0 if usual else "changed: steps see refined points now")
PYTHON
