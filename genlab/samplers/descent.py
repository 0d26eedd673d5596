"""A lean loop of gradient steps, without a trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.bounds import Positive, PositiveInt
from genlab.densities.density import Density
from genlab.densities.inference import private_randomness, spawn
from genlab.errors import RunError
from genlab.samplers.weights import multinomial

__all__ = ["Descent", "training"]


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Some steps of Adam in each round, at a rate that falls to 0 along a cosine.

    Attributes:
        steps: Gradient steps in a round.
        lr: Learning rate that a round begins with.
        batch_size: Rows that a step sees.
        gradient_clip: Largest norm of a step's gradient.
    """

    steps: PositiveInt
    lr: Positive
    batch_size: PositiveInt
    gradient_clip: Positive

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
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=self.lr, fused=True)
        with training(model, generator):
            for step in range(self.steps):
                for group in optimizer.param_groups:
                    group["lr"] = self.lr * (1 + math.cos(math.pi * step / self.steps)) / 2
                optimizer.zero_grad()
                value = loss(step)
                value.backward()
                nn.utils.clip_grad_norm_(parameters, self.gradient_clip)
                optimizer.step()
        # What is no number once is none from then on: a look at the end is enough.
        if not value.isfinite():
            raise RunError(
                f"sampler: the loss of the model's fit became {value.item():g}\n"
                f"try a smaller sampler.fit.lr than {self.lr:g}"
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
