"""zuko's side: what it calls NICE scales, and is a RealNVP; its splines map both halves."""

from __future__ import annotations

from typing import Any

import torch
import zuko

from benchmarks.cells import Cell
from benchmarks.ours import BINS, COMPONENTS, ERROR, HIDDEN, largest_error
from benchmarks.work import Work, adam_step, evaluation

__all__ = ["build"]


def model_of(cell: Cell) -> Any:
    match cell.family:
        case "realnvp":
            return zuko.flows.NICE(cell.dim, transforms=cell.layers, hidden_features=HIDDEN)
        case "nsf":
            options = {"transforms": cell.layers, "hidden_features": HIDDEN}
            return zuko.flows.NSF(cell.dim, bins=BINS, passes=2, **options)
        case "gmm":
            return zuko.mixtures.GMM(cell.dim, components=COMPONENTS)
    return zuko.flows.CNF(cell.dim, hidden_features=HIDDEN)


def build(cell: Cell, contestant: str) -> Work:
    model, x = model_of(cell), torch.randn(cell.batch, cell.dim)
    if cell.subject == "step":
        return adam_step(model, lambda: -model().log_prob(x).mean())
    if cell.subject == "sample":
        return evaluation(lambda: model().sample((cell.batch,)))
    work = evaluation(lambda: model().log_prob(x))
    if cell.family == "cnf":
        fine = zuko.flows.CNF(cell.dim, hidden_features=HIDDEN, atol=1e-11, rtol=1e-10).double()
        fine.load_state_dict(model.state_dict())
        work.notes[ERROR] = largest_error(model.double()().log_prob, fine().log_prob, x)
        model.float()
    return work
