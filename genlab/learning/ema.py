"""Weights kept beside a model's own: their exponential moving average, or the best ones so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["EMA", "KeptWeights"]


class KeptWeights:
    """A copy of a model's weights, in whose place the model may hold it for a while.

    Args:
        model: The model, whose present weights are kept first.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parameters = dict(model.named_parameters())
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def take(self) -> None:
        """Keep the present weights."""
        for name, parameter in self.parameters.items():
            self.average[name].copy_(parameter)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model hold what is kept inside the context, and its own weights after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.parameters.items():
            own = parameter.clone()
            parameter.copy_(self.average[name])
            self.average[name].copy_(own)

    def state_dict(self) -> dict[str, Any]:
        """What is kept, by parameter name."""
        return {"average": self.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint has kept."""
        for name, value in self.average.items():
            value.copy_(state["average"][name])


class EMA(KeptWeights):
    """``a <- d a + (1 - d) w`` after each step; the average generalises better than the last ``w``.

    The decay grows as ``min(d, (1 + n) / (10 + n))`` over the first steps, so that the start is
    forgotten quickly.

    Args:
        model: The model whose parameters are averaged.
        decay: ``d``, in [0, 1).
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        super().__init__(model)
        self.decay = decay
        self.updates = 0

    def advance(self) -> float:
        """Count an update, and return which part of the way to the weights it goes."""
        self.updates += 1
        return 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present weights."""
        part = self.advance()
        torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), part)

    def state_dict(self) -> dict[str, Any]:
        """The average by parameter name, and the number of updates."""
        return super().state_dict() | {"updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the average of a checkpoint."""
        super().load_state_dict(state)
        self.updates = state["updates"]
