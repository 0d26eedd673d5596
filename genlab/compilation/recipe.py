"""All that decides what a training step computes, and the step as one program."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx import Graph

from genlab.batch import Batch
from genlab.compilation.adam import AdamRule
from genlab.compilation.draws import Draw, take_out
from genlab.compilation.trace import trace
from genlab.densities.density import Density
from genlab.objectives import Objective

__all__ = ["Part", "StepRecipe", "Traced", "parts_of"]

Part = tuple[tuple[int, ...], torch.dtype]
"""Shape and type of a part of a batch."""


def parts_of(batch: Batch) -> tuple[Part | None, ...]:
    """Shape and type of rows, context and weights, None for what a batch lacks."""
    return tuple(None if part is None else (tuple(part.shape), part.dtype) for part in batch)


class Traced(NamedTuple):
    """A step as a graph.

    Attributes:
        graph: Of torch's basic operations; it takes what is drawn as its last inputs.
        draws: What is drawn.
    """

    graph: Graph
    draws: list[Draw]


@dataclass(frozen=True, kw_only=True)
class StepRecipe:
    """A step: the gradient of a loss, clipped; Adam; and the average of the weights.

    It holds what is computed, not the numbers: those of the weights do not matter.

    Attributes:
        model: What learns, in training mode.
        objective: What it learns by: a function of weights and batch alone.
        rule: How the weights move.
        gradient_clip: Largest norm of the gradient; None for no clipping.
        averaged: Whether an exponential moving average follows the weights.
        batch: Shapes and types of the batch.
        threads: Threads that the code is to use.
    """

    model: Density
    objective: Objective[Any]
    rule: AdamRule
    gradient_clip: float | None
    averaged: bool
    batch: tuple[Part | None, ...]
    threads: int

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by name: the parts of the flat row of weights, in order."""
        named = self.model.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}

    @property
    def held(self) -> dict[str, Tensor]:
        """What the model computes with besides, by name."""
        frozen = {n: p.detach() for n, p in self.model.named_parameters() if not p.requires_grad}
        return frozen | dict(self.model.named_buffers())

    @property
    def told(self) -> dict[str, Tensor]:
        """What the objective holds of the present step, by name."""
        return {n: v for n, v in vars(self.objective).items() if isinstance(v, Tensor)}

    def inputs(self) -> list[Tensor]:
        """Tensors that `step` takes, in order: the weights, and a batch of halves or zeros."""
        weights = torch.cat([part.detach().reshape(-1) for part in self.trained.values()])
        rows = [weights, *(torch.zeros_like(weights) for _ in range(2 + self.averaged))]
        batch = [
            torch.full(part[0], 0.5 if part[1].is_floating_point else 0, dtype=part[1])
            for part in self.batch
            if part is not None
        ]
        return [*rows, weights.new_zeros(4), *batch, *self.held.values(), *self.told.values()]

    def step(self, *inputs: Tensor) -> tuple[Float[Tensor, ""], ...]:
        """Take a step, in place, and return the loss before it and the gradient's norm.

        The norm is left out where nothing is clipped.

        Args:
            *inputs: The flat rows of weights, of both moments and, where there is one, of the
                average; the numbers of `AdamRule.numbers`, and how far the average moves; the parts
                of the batch; `held`; and `told`.
        """
        weights, first, second, *rest = inputs
        average = rest.pop(0) if self.averaged else None
        numbers = rest.pop(0)
        batch = Batch(*(None if part is None else rest.pop(0) for part in self.batch))  # type: ignore[arg-type]
        loss, gradient = self._gradient(weights, batch, rest)
        outputs: tuple[Tensor, ...] = (loss,)
        if self.gradient_clip is not None:
            norm = gradient.square().sum().sqrt()
            gradient = gradient * (self.gradient_clip / (norm + 1e-6)).clamp_max(1.0)
            outputs = (loss, norm)
        moved, mean, square = self.rule.moved(weights, gradient, first, second, numbers)
        if average is not None:
            average.copy_(average + (moved - average) * numbers[3])
        weights.copy_(moved)
        first.copy_(mean)
        second.copy_(square)
        return outputs

    def _gradient(
        self, weights: Tensor, batch: Batch, rest: Sequence[Tensor]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " P"]]:
        """The loss, and its gradient as one row."""
        trained = self.trained
        pieces = weights.split([parameter.numel() for parameter in trained.values()])
        parts = [
            piece.view(parameter.shape).detach().requires_grad_()
            for piece, parameter in zip(pieces, trained.values(), strict=True)
        ]
        names = [f"model.{name}" for name in (*trained, *self.held)]
        own = dict(zip(names, (*parts, *rest[: len(self.held)]), strict=True))
        told = dict(zip(self.told, rest[len(self.held) :], strict=True))
        with torch.enable_grad():
            # Names are unique; tied again, what two layers share would not be given back.
            loss = functional_call(_Loss(self, told), own, (batch,), tie_weights=False)
            gradients = torch.autograd.grad(loss, parts)
        return loss.detach(), torch.cat([gradient.reshape(-1) for gradient in gradients])

    def traced(self) -> Traced:
        """The step as a graph of torch's basic operations.

        Raises:
            UntraceableError: It depends on numbers, or on tensors that are none of its inputs.
            UndrawableError: It draws what cannot be drawn beside it.
        """
        graph = trace(self.step, *self.inputs())
        draws = take_out(graph)
        graph.eliminate_dead_code()
        return Traced(graph, draws)


class _Loss(nn.Module):
    """The loss as a module, so that it can be called with other weights than the model's."""

    def __init__(self, recipe: StepRecipe, told: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.model = recipe.model
        self.objective = copy.copy(recipe.objective)
        vars(self.objective).update(told)

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        return self.objective.step_loss(self.model, batch)
