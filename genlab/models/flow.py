"""Normalising flows: a bijection to a base density whose samples are easy to draw."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.compose import Compose
from genlab.densities.density import Density
from genlab.densities.normal import StandardNormal

__all__ = ["Flow"]


class Flow(Density):
    """``log p(x | c) = log p_0(f(x; c)) + log|det df/dx|``, sampled by ``x = f^{-1}(z; c)``.

    A family subclasses it and sets `layers` (Rezende, Mohamed, "Variational inference with
    normalizing flows", 2015).

    Args:
        event_shape: Shape of one sample.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Attributes:
        layers: The trainable bijections, from preprocessed data to latent.
        base: The density of the latent.
    """

    reparametrised: ClassVar[bool] = True
    layers: Compose

    def __init__(
        self, event_shape: tuple[int, ...], *, context_dim: int = 0, labels: int = 0
    ) -> None:
        super().__init__(event_shape, context_dim=context_dim, labels=labels)
        self.base: Density = StandardNormal(self.event_shape)

    @property
    def bijection(self) -> Compose:
        """The whole map from data units to latent, the preprocessing included."""
        first = [] if self.preprocessing is None else [self.preprocessing]
        return Compose([*first, *self.layers])

    def _log_prob(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, " n"]:
        log_det: Tensor
        z, log_det = self.layers(x, context)
        return self.base.log_prob(z) + log_det

    def _sample(
        self, n: int, context: Float[Tensor, "n c"] | None, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        return self.layers.generate(self.base.sample(n, generator=generator), context)

    def _sample_with_log_prob(
        self, n: int, context: Float[Tensor, "n c"] | None, generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_det: Tensor
        z, log_p = self.base.sample_with_log_prob(n, generator=generator)
        x, log_det = self.layers.inverse(z, context)
        return x, log_p - log_det

    def _initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> None:
        self.layers.initialise(x, context)
