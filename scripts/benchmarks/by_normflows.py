"""normflows's side: its couplings, and its residual flow as its own example trains it.

Its splines have a residual network, here of one block: a product of 64 by 64 more than the others.
"""

from __future__ import annotations

from collections.abc import Iterator

import normflows
import torch

from benchmarks.cells import Cell
from benchmarks.ours import BINS, BOUND, HIDDEN
from benchmarks.work import Work, adam_step, evaluation

__all__ = ["build"]


def flows(cell: Cell) -> Iterator[normflows.flows.Flow]:
    assert cell.layers is not None
    dim, scaled = cell.dim, cell.family == "realnvp"
    for index in range(cell.layers):
        match cell.family:
            case "resflow":
                network = normflows.nets.LipschitzMLP([dim, *HIDDEN, dim], lipschitz_const=0.98)
                yield normflows.flows.Residual(network)
            case "nsf":
                yield normflows.flows.CoupledRationalQuadraticSpline(
                    dim,
                    1,
                    HIDDEN[0],
                    num_bins=BINS,
                    tail_bound=BOUND,
                    reverse_mask=index % 2 == 1,
                )
            case _:
                seen = dim - dim // 2
                outputs = (1 + scaled) * (dim // 2)
                network = normflows.nets.MLP([seen, *HIDDEN, outputs])
                yield normflows.flows.AffineCouplingBlock(network, scale=scaled)
                yield normflows.flows.Permute(dim, mode="swap")


def build(cell: Cell, contestant: str) -> Work:
    base = normflows.distributions.DiagGaussian(cell.dim)
    model = normflows.NormalizingFlow(base, list(flows(cell)))
    x = torch.randn(cell.batch, cell.dim)
    if cell.subject == "step":
        work = adam_step(model, lambda: model.forward_kld(x))
        if cell.family != "resflow":
            return work

        def step() -> None:
            work.run()
            normflows.utils.update_lipschitz(model, 5)

        return Work(step)
    model.eval()
    if cell.subject == "sample":
        return evaluation(lambda: model.sample(cell.batch))
    return evaluation(lambda: model.log_prob(x))
