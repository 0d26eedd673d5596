"""A target as the density that a flow starts from."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.base import Parameterless
from genlab.nn.context import Context
from genlab.targets.target import Target

__all__ = ["TargetDensity"]


class TargetDensity(Parameterless):
    """What a target samples, and its exact density where that is known.

    The target's constants keep their own precision: they are no part of the model's state, and
    follow its device, not its type.

    Args:
        target: The distribution.
        name: What it is called in a configuration.
    """

    def __init__(self, target: Target, *, name: str) -> None:
        super().__init__(target.event_shape, circular=target.angles)
        self.name = name
        self._hidden = (target,)

    @property
    def target(self) -> Target:
        return self._hidden[0].to(self.device)

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        return self.target.log_prob(x)

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        return self.target.sample(n, generator=generator).to(self.dtype)

    def extra_repr(self) -> str:
        return f"name={self.name}"
