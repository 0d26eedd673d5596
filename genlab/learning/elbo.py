"""Learning a latent-variable model by a lower bound on its likelihood."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from genlab.batch import Batch, weighted_mean
from genlab.bounds import Fraction, NonNegative, PositiveInt
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.learning.gradient import GradientLearner
from genlab.learning.schedules import Schedule
from genlab.learning.settings import TrainerSettings
from genlab.models.vae import VAE, BoundTerms
from genlab.objectives.elbo import kl_by_dimension, negative_elbo, negative_iwae

__all__ = ["ELBO"]


class ELBO(GradientLearner):
    """Minimises a negative evidence lower bound: the ELBO, or with several draws the IWAE's.

    Validation reports the loss at the full ``beta``; as ``val/nll`` the same bound at ``beta = 1``
    and without free bits; and the two parts of the ELBO.

    Args:
        model: A variational autoencoder.
        settings: How long, where and how carefully.
        optimizer: Makes the optimiser of some parameters.
        schedule: Factor on the learning rate as a function of the step and the number of steps.
        importance_samples: Draws of z for each x: 1 for the ELBO, k for the IWAE's bound.
        beta: Factor on the divergence of the encoder from the prior.
        free_bits: Nats of divergence that cost nothing, in each latent coordinate.
        annealing: Fraction of the steps over which the factor rises from 0 to ``beta``.

    Raises:
        UserError: The model has no encoder, or free bits are asked for with several draws.
    """

    reports = ("val/loss", "val/nll", "val/reconstruction", "val/kl")
    model: VAE
    present_beta: Float[Tensor, ""]

    def __init__(
        self,
        model: Density,
        settings: TrainerSettings,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        importance_samples: PositiveInt,
        beta: NonNegative,
        free_bits: NonNegative,
        annealing: Fraction,
    ) -> None:
        if not isinstance(model, VAE):
            raise UserError(
                f"objective=elbo: expected model=vae, got a {type(model).__name__}, which has no "
                "encoder; use objective=maximum_likelihood"
            )
        if free_bits and importance_samples > 1:
            raise UserError(
                f"objective.free_bits={free_bits:g}: goes with objective.importance_samples=1; "
                "a bound by several draws has no divergence of its own"
            )
        super().__init__(model, settings, optimizer=optimizer, schedule=schedule)
        self.importance_samples = importance_samples
        self.beta = beta
        self.free_bits = free_bits
        self.annealing = annealing
        # A tensor, so that a compiled loss does not meet a new constant in each step.
        self.register_buffer("present_beta", torch.tensor(float(beta)), persistent=False)

    def update(self, batch: Batch) -> Float[Tensor, ""]:
        rise = self.annealing * self.settings.max_steps
        self.present_beta.fill_(self.beta * min((self.reached() + 1) / (rise + 1), 1.0))
        return super().update(batch)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        return self._bound(self._terms(batch), batch, self.present_beta, self.free_bits)

    def validate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        terms = self._terms(batch)
        kl = kl_by_dimension(terms, batch.weight)
        return {
            "val/loss": self._bound(terms, batch, self.beta, self.free_bits),
            "val/nll": self._bound(terms, batch, 1.0, 0.0),
            "val/reconstruction": -weighted_mean(terms.log_likelihood.mean(0), batch.weight),
            "val/kl": kl.sum(),
            **{f"latent/kl_{number}": value for number, value in enumerate(kl, 1)},
        }

    def scalars(self) -> dict[str, float]:
        return {**super().scalars(), "train/beta": self.present_beta.item()}

    def _terms(self, batch: Batch) -> BoundTerms:
        return self.model.bound_terms(batch.x, batch.context, samples=self.importance_samples)

    def _bound(
        self, terms: BoundTerms, batch: Batch, beta: float | Tensor, free_bits: float
    ) -> Float[Tensor, ""]:
        if self.importance_samples == 1:
            return negative_elbo(terms, batch.weight, beta=beta, free_bits=free_bits)
        return negative_iwae(terms, batch.weight, beta=beta)
