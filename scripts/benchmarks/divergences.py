"""A velocity and its exact divergence: by the network's own rule, and as for any network."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from benchmarks.cells import Cell
from benchmarks.work import Work
from genlab.models import FlowMatching
from genlab.nn import ConcatSquashMLP, ResidualMLP, Velocity

__all__ = ["build"]


class Any(Velocity):
    """A network of whose layers nothing is known."""

    def __init__(self, network: Velocity) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        return self.network(x, t, context)


def build(cell: Cell, contestant: str) -> Work:
    network: Velocity
    match cell.family:
        case "concat_squash":
            network = ConcatSquashMLP((cell.dim,), hidden=[64, 64], activation="silu")
        case "residual":
            network = ResidualMLP((cell.dim,))
        case _:
            network = FlowMatching(cell.dim, circular="all").network
    x, t = torch.randn(cell.batch, cell.dim), torch.tensor(0.3)
    match contestant:
        case "genlab":
            return Work(partial(network.with_divergence, x, t))
        case "forward mode":
            return Work(partial(Any(network).with_divergence, x, t))

    def reverse() -> Tensor:
        jacobians = vmap(jacrev(lambda row: network(row[None], t)[0]))(x)
        return jacobians.diagonal(dim1=1, dim2=2).sum(1)

    return Work(reverse)
