"""genlab's side: its models in the sizes of a cell, by torch's operations or compiled whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.cells import Cell
from benchmarks.compiled import compiled
from benchmarks.work import Work, adam_step, evaluation
from genlab.batch import Batch
from genlab.bijections import AdaptiveSolver, FixedStepSolver
from genlab.models import CNF, GMM, NICE, NSF, VAE, FlowMatching, KRNet, RealNVP, ResFlow
from genlab.nn import ConcatSquashMLP, ResidualConvNet
from genlab.objectives import ELBO, MaximumLikelihood, Objective, VelocityRegression

__all__ = [
    "BINS",
    "BOUND",
    "COMPONENTS",
    "ERROR",
    "EVALUATIONS",
    "HIDDEN",
    "build",
    "largest_error",
    "model_of",
]

LogProb = Callable[[torch.Tensor], torch.Tensor]
ERROR, EVALUATIONS = "error of log p", "evaluations"

HIDDEN, BINS, BOUND, COMPONENTS = (64, 64), 8, 5.0, 16
COUPLINGS: dict[str, Any] = {"hidden": HIDDEN, "activation": "relu"}
CHECKED = 64
# Of few steps: by hand each of ten thousand rows takes seconds, and all steps cost the same.
COARSE = AdaptiveSolver(method="dopri8", rtol=0.03, atol=0.03)


def model_of(cell: Cell) -> Any:
    """A model in the shape that its peers have, too; what no peer has is as by default."""
    return MAKERS[cell.family](cell).to(cell.device)


def _couplings(make: Callable[..., Any], **options: Any) -> Callable[[Cell], Any]:
    return lambda cell: make(cell.dim, layers=cell.layers, **COUPLINGS, **options)


def _resflow(cell: Cell) -> ResFlow:
    if cell.terms is None:
        return ResFlow(cell.dim, layers=cell.layers, hidden=HIDDEN)
    series = {"log_det": "power_series", "terms": cell.terms}
    return ResFlow(cell.dim, layers=cell.layers, hidden=HIDDEN, **series)


def _cnf(cell: Cell, tolerance: float = 1e-5) -> CNF:
    network = partial(ConcatSquashMLP, hidden=HIDDEN, activation="silu", frequencies=3)
    dopri5 = AdaptiveSolver(method="dopri5", rtol=tolerance, atol=tolerance / 10)
    model = CNF(cell.dim, network=network, solver=dopri5, evaluation=dopri5)
    # Not from the zero velocity that it starts with, which would take no steps.
    nn.init.kaiming_uniform_(model.ode.velocity.last.weight, a=5**0.5)
    return model


def _flow_matching(cell: Cell) -> FlowMatching:
    solver = FixedStepSolver(method="midpoint", steps=cell.steps or 20)
    return FlowMatching(cell.dim, solver=solver)


def _on_fields(cell: Cell) -> FlowMatching:
    side = math.isqrt(cell.dim)
    return FlowMatching((1, side, side), network=ResidualConvNet, divergence="rademacher")


MAKERS: dict[str, Callable[[Cell], Any]] = {
    "nice": _couplings(NICE),
    "realnvp": _couplings(RealNVP),
    "nsf": _couplings(NSF, bins=BINS, bound=BOUND),
    "krnet": lambda cell: KRNet(cell.dim, layers=cell.layers),
    "resflow": _resflow,
    "gmm": lambda cell: GMM(cell.dim, components=COMPONENTS),
    "vae": lambda cell: VAE(cell.dim),
    "cnf": _cnf,
    "flow-matching": _flow_matching,
    "torus": lambda cell: FlowMatching(cell.dim, circular="all", evaluation=COARSE),
    "fields": _on_fields,
}
OBJECTIVES: dict[str, Callable[[], Objective[Any]]] = {
    "vae": partial(ELBO, importance_samples=1),
    "flow-matching": VelocityRegression,
    "torus": VelocityRegression,
    "fields": VelocityRegression,
}


def build(cell: Cell, contestant: str) -> Work:
    """The work of a cell: a training step, log-densities or samples."""
    model = model_of(cell)
    if contestant == "direct":
        model = ResFlow(
            cell.dim,
            layers=cell.layers,
            hidden=HIDDEN,
            log_det="power_series",
            terms=cell.terms,
            gradient="direct",
        ).to(cell.device)
    x = torch.randn(cell.batch, *model.event_shape)
    model.initialise(x)
    if cell.subject == "step":
        objective = OBJECTIVES.get(cell.family, MaximumLikelihood)()
        if contestant == "compiled":
            return compiled(model, objective, Batch(x))
        loss = partial(objective.loss, model, Batch(x))
        return adam_step(model, loss, fused=contestant == "shipped")
    model.eval()
    if cell.subject == "sample":
        return evaluation(lambda: model.sample(cell.batch))

    def log_prob() -> torch.Tensor:
        found: torch.Tensor = model.log_prob(x)
        if "ode/nfe" in (told := model.diagnostics()):
            work.notes[EVALUATIONS] = told["ode/nfe"]
        return found

    work = evaluation(log_prob)
    if cell.family == "cnf":
        fine = _cnf(cell, tolerance=1e-10).double().eval()
        fine.load_state_dict(model.state_dict())
        work.notes[ERROR] = largest_error(model.double().log_prob, fine.log_prob, x)
        model.float()
    return work


def largest_error(found: LogProb, fine: LogProb, x: torch.Tensor) -> float:
    """How far log-densities are from those of a finer solver, so that speed is not bought by it."""
    rows = x[:CHECKED].double()
    with torch.no_grad():
        return (found(rows) - fine(rows)).abs().max().item()
