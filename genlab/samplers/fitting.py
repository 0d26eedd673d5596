"""Fits of a sampler's model, a round at a time, without a trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import Bound, Positive, PositiveInt
from genlab.densities.density import Density
from genlab.densities.inference import private_randomness, spawn
from genlab.descent import cosine_descent
from genlab.errors import RunError
from genlab.objectives import Objective, take_passes
from genlab.samplers.weights import multinomial

__all__ = ["Descent", "training"]


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Some steps of Adam in each round, at a rate that falls to 0 along a cosine.

    An objective that learns from passes takes ``steps`` of them at most, and nothing of the rest.

    References: arXiv:1412.6980 (Adam), arXiv:1608.03983 (the cosine).

    >>> import genlab
    >>> model, generator = genlab.models.RealNVP(2, layers=2), torch.Generator().manual_seed(0)
    >>> batch, likelihood = Batch(torch.randn(500, 2) + 3), genlab.objectives.MaximumLikelihood()
    >>> before = likelihood.loss(model, batch)
    >>> Descent(steps=50).teach(model, likelihood, batch, first=True, generator=generator)
    >>> likelihood.loss(model, batch) < before - 1
    tensor(True)

    Attributes:
        steps: Steps in a round.
        lr: Learning rate that a round begins with.
        batch_size: Rows that a step sees.
        gradient_clip: Largest norm of a step's gradient.
        later: Share of the steps that suffices after the first round: the parameters are near.
    """

    steps: PositiveInt = 200
    lr: Positive = 5e-3
    batch_size: PositiveInt = 1000
    gradient_clip: Positive = 5.0
    later: Annotated[float, Bound(0.0, 1.0, open_low=True)] = 1.0

    def teach(
        self,
        model: Density,
        objective: Objective[Any],
        batch: Batch,
        *,
        first: bool,
        generator: torch.Generator,
    ) -> None:
        """Teach a model for one round, from the parameters of the round before.

        Args:
            model: The density.
            objective: What it learns by.
            batch: Points in the model's type and on its device, with weights or without.
            first: Whether no round was before.
            generator: Source of randomness, on the CPU.

        Raises:
            RunError: The loss was lost on the way.
        """
        if objective.learns_from == "passes":
            passes = objective.passes(model)
            with training(model, generator):
                if first:
                    passes.start(batch)
                take_passes(passes, batch, self.steps)
            return
        if first:
            objective.start(model, batch, generator=generator)
        fit = self.of_round(first=first)
        rows = fit.rows(batch, generator)
        fit.descend(
            model,
            lambda step: objective.loss(model, Batch(batch.x[rows[step]])),
            generator=generator,
        )

    def of_round(self, *, first: bool) -> Descent:
        """The steps of the first round, or of a later one."""
        return self if first else replace(self, steps=math.ceil(self.later * self.steps))

    def rows(self, batch: Batch, generator: torch.Generator) -> Int[Tensor, "steps rows"]:
        """The rows of each step, drawn in proportion to their weights; they then count the same.

        So the gradient of a step is that of the weighted loss in expectation, and less noisy than
        under rows of which most have no weight.
        """
        weight = batch.x.new_ones(len(batch.x)) if batch.weight is None else batch.weight
        drawn = multinomial(
            weight.double().cpu(), self.steps * self.batch_size, generator=generator
        )
        return drawn.to(batch.x.device).view(self.steps, self.batch_size)

    def descend(
        self,
        model: Density,
        loss: Callable[[int], Float[Tensor, ""]],
        *,
        generator: torch.Generator,
    ) -> None:
        """Move a model's parameters down a loss that is given for each step.

        Args:
            model: The density.
            loss: The loss of step 0, 1, ...
            generator: Seeds what the loss draws itself, from torch's global generator.

        Raises:
            RunError: The loss was lost on the way.
        """
        with training(model, generator):
            value = cosine_descent(
                loss,
                model.parameters(),
                steps=self.steps,
                lr=self.lr,
                limit=self.gradient_clip,
                fused=True,
            )
        if not value.isfinite():
            raise RunError(
                f"sampler: the loss of the model's fit became {value.item():g}\n"
                f"try a smaller `fit.lr` than {self.lr:g}"
            )


@contextmanager
def training(model: Density, generator: torch.Generator) -> Iterator[None]:
    """Training mode with gradients, and meanwhile a seeded state in torch's global generator."""
    seed = spawn(generator).initial_seed()
    with torch.enable_grad(), private_randomness(model.device, seed):
        model.train()
        try:
            yield
        finally:
            model.eval()
