"""nflows's side: couplings with genlab's own network, which has its calling convention."""

from __future__ import annotations

from functools import partial
from typing import Any

import nflows.distributions
import nflows.flows
import nflows.transforms
import torch

from benchmarks.cells import Cell
from benchmarks.ours import BINS, BOUND, HIDDEN
from benchmarks.work import Work, adam_step, evaluation
from genlab.nn import MLP

__all__ = ["build"]

COUPLINGS: dict[str, Any] = {
    "nice": nflows.transforms.AdditiveCouplingTransform,
    "realnvp": nflows.transforms.AffineCouplingTransform,
    "nsf": partial(
        nflows.transforms.PiecewiseRationalQuadraticCouplingTransform,
        num_bins=BINS,
        tails="linear",
        tail_bound=BOUND,
        apply_unconditional_transform=True,  # the half that the network sees is mapped, too
    ),
}


def conditioner(inputs: int, outputs: int) -> MLP:
    return MLP(inputs, outputs, hidden=HIDDEN, activation="relu")


def build(cell: Cell, contestant: str) -> Work:
    assert cell.layers is not None
    half = torch.arange(cell.dim) < cell.dim // 2
    make = COUPLINGS[cell.family]
    layers = [make(half if i % 2 else ~half, conditioner) for i in range(cell.layers)]
    base = nflows.distributions.StandardNormal([cell.dim])
    model = nflows.flows.Flow(nflows.transforms.CompositeTransform(layers), base)
    x = torch.randn(cell.batch, cell.dim)
    if cell.subject == "step":
        return adam_step(model, lambda: -model.log_prob(x).mean())
    model.eval()
    if cell.subject == "sample":
        return evaluation(lambda: model.sample(cell.batch))
    return evaluation(lambda: model.log_prob(x))
