"""Residual blocks in a fixed number of operations: norms known, inverses by so many steps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.batch import rowwise
from genlab.bijections.residual import ResidualBlocks
from genlab.nn.lipschitz import LipschitzLayer
from genlab.nn.lipschitz_network import LipschitzFunctions, LipschitzNetwork

__all__ = ["FixedBlocks", "FrozenNetwork"]


class FrozenNetwork(LipschitzNetwork):
    """A stack of contractions whose weights are worked out once: no norm is looked for again.

    Args:
        network: The stack that it is.
    """

    def __init__(self, network: LipschitzNetwork) -> None:
        nn.Module.__init__(self)
        self.layers, self.biases, self.context = network.layers, network.biases, network.context
        self.event_shape, self.stack = network.event_shape, network.stack
        self.activation, self.linearisation = network.activation, network.linearisation
        layers = [layer for layer in network.layers if isinstance(layer, LipschitzLayer)]
        with torch.no_grad():
            weights = network._weights(layers, certain=True)
        self.weights = nn.ParameterList(nn.Parameter(w, requires_grad=False) for w in weights)

    def _weights(self, layers: object, certain: bool) -> list[Tensor]:
        return list(self.weights)


class FixedBlocks(ResidualBlocks):
    """Residual blocks with exact determinants, whose inverse takes a fixed number of steps.

    A step is Newton's, ``x <- x + (I + J)^{-1} r`` with ``r = z - x - g(x)``, where it shrinks
    ``|r|`` as much as ``x <- x + r`` does for certain, by the Lipschitz bound; and else that one.
    So k steps leave a share of at most ``L^k`` of r, and in practice the square of what the step
    before has left.

    References: arXiv:1811.00995 (the fixed point).

    Args:
        blocks: The blocks.
        steps: Steps of a block's inverse.
    """

    def __init__(self, blocks: ResidualBlocks, *, steps: int) -> None:
        nn.Module.__init__(self)
        self.options = blocks.options._replace(log_det="exact")
        self.norms = blocks.norms
        self.bounds: list[float] = blocks.network.lipschitz(certain=True).tolist()
        self.network = FrozenNetwork(blocks.network)
        self.iterations = steps

    def _bounds(self) -> list[float]:
        return self.bounds

    def _solved(
        self, functions: LipschitzFunctions, index: int, bound: float, z: Tensor
    ) -> Float[Tensor, "n *event"]:
        g, x = functions.each[index], z
        for _ in range(self.iterations):
            g_x, slopes = g.linearise(x)
            left = z - x - g_x
            jacobian = functions.jacobians([slopes], index).jacobian()[0].mT
            identity = torch.eye(jacobian.shape[-1], dtype=x.dtype, device=x.device)
            step = torch.linalg.solve(identity + jacobian, left.flatten(1)[..., None])
            newton = x + step.view_as(x)
            after = z - newton - g(newton)
            better = _norm(after) <= bound * _norm(left)
            x = torch.where(rowwise(better, x), newton, x + left)
        return x


def _norm(x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
    norm: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return norm
