"""Fields that come with what is seen of them: means of blocks, and noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.data.field_facts import coarse_facts
from genlab.data.simulated_fields import SimulatedFields, SimulationOptions
from genlab.data.streams import Blocks, Stream
from genlab.errors import UserError
from genlab.fields import block_means
from genlab.randomness import generator
from genlab.targets.simulated import SimulatedTarget

__all__ = ["CoarseFields", "ObservedStream"]

PILOTS = 256
"""Fields that tell the variance of block means."""
SHARE = 0.01
"""Of the variance of block means: that of the noise in them."""


class CoarseFields(SimulatedFields):
    """Simulated fields given ``y = A w + sqrt(s) e``: super-resolution, of a law without ``p(y)``.

    ``A w`` are the means of blocks of ``factor x factor`` points. As the law of y is unknown, so is
    that of w given y: models compare by differences of their conditional NLL, not by nats above an
    optimum. Each sight of a training field, moved by a symmetry of the law, has noise of its own.

    Args:
        target: The law.
        context_dim: How many block means there are.
        factor: How many times smaller the sides of y are.
        noise: s; a hundredth of the variance of the block means if None.
        **options: Those of `SimulatedFields`.

    Raises:
        UserError: The target's fields have another shape or a context already, or the factor does
            not divide their sides.
    """

    def __init__(
        self,
        target: SimulatedTarget,
        *,
        context_dim: NonNegativeInt,
        factor: PositiveInt,
        noise: Positive | None,
        **options: Unpack[SimulationOptions],
    ) -> None:
        super().__init__(target, context_dim=0, **options)
        sides = self.event_shape[1:]
        if factor < 2 or any(side % factor for side in sides):
            raise UserError(
                f"factor={factor}: expected a number above 1 that divides `size`={sides[0]}"
            )
        self.context_dim = math.prod(self.event_shape) // factor**2
        if context_dim != self.context_dim:
            raise UserError(f"context_dim={context_dim}: follows from `factor`; leave it null")
        self.factor = factor
        self.chosen_noise = noise
        self.standardise_context = True

    facts = staticmethod(coarse_facts)

    @cached_property
    def noise(self) -> float:
        """s."""
        if self.chosen_noise is not None:
            return self.chosen_noise
        pilots = self.target.kept("pilots", PILOTS, seed=self.set_seed)
        return SHARE * float(self.reduction(pilots.x).double().var())

    @property
    def reduction(self) -> Callable[[Tensor], Tensor]:
        return lambda x: block_means(x[:, 0], self.factor).flatten(1)

    @cached_property
    def stream(self) -> Stream:
        return ObservedStream(super().stream, self._observed, self.context_dim, seed=self.seed)

    def _observed(
        self, x: Float[Tensor, "n 1 h h"], e: Float[Tensor, "n c"]
    ) -> Float[Tensor, "n c"]:
        return self.reduction(x) + math.sqrt(self.noise) * e

    def _draw(self, purpose: str, n: int) -> Batch:
        x, source = super()._draw(purpose, n).x, generator(self.set_seed, f"{purpose} noise")
        return Batch(x, self._observed(x, torch.randn(n, self.context_dim, generator=source)))


class ObservedStream(Blocks, Stream):
    """The rows of a stream, each with an observation of it as context.

    Args:
        stream: Where the rows come from.
        observe: The observations of rows with some standard normal noise.
        dim: Numbers of noise, and of context, of a row.
        seed: The run's seed.
    """

    def __init__(
        self, stream: Stream, observe: Callable[[Tensor, Tensor], Tensor], dim: int, *, seed: int
    ) -> None:
        super().__init__(seed=seed, block=2**12)
        self.stream, self.observe, self.dim = stream, observe, dim

    def rows(self, start: int, stop: int) -> Batch:
        x = self.stream.rows(start, stop).x
        return Batch(x, self.observe(x, self._slice(start, stop)))

    def _make(self, index: int) -> Float[Tensor, "block c"]:
        source = generator(self.seed, "observation", index)
        return torch.randn(self.block, self.dim, generator=source)
