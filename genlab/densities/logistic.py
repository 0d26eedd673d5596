"""The logistic base density, for flows that live in a box."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from genlab.densities.parameterless import Parameterless

__all__ = ["StandardLogistic"]


class StandardLogistic(Parameterless):
    """``p(x) = prod sigmoid(x_i) sigmoid(-x_i)`` on arrays of shape ``event_shape``.

    Its tails are exponential: a shift in the tails changes the density by a bounded factor.

    Args:
        event_shape: Shape of one sample.
    """

    def _log_prob(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, " n"]:
        return (logsigmoid(x) + logsigmoid(-x)).flatten(1).sum(1)

    def _sample(
        self, n: int, context: Float[Tensor, "n c"] | None, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        u = torch.rand(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )
        # `rand` may return 0, never 1.
        eps = torch.finfo(self.dtype).eps
        return torch.logit(u * (1 - eps) + eps / 2)
