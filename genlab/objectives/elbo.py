"""Evidence lower bounds on the log-likelihood of latent-variable models."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch, mass, weighted_mean
from genlab.bounds import Fraction, NonNegative, PositiveInt
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.models.vae import VAE, BoundTerms
from genlab.objectives.objective import Objective

__all__ = ["ELBO", "kl_by_dimension", "negative_elbo", "negative_iwae"]


class ELBO(Objective[VAE]):
    """Minimises a negative evidence lower bound: the ELBO, or with several draws the IWAE's.

    ``-E[log p(x | z)] + beta KL(q(z | x) || p(z))`` (Kingma, Welling, "Auto-encoding variational
    Bayes", 2014, arXiv:1312.6114), or ``-E[log 1/k sum_j w_j]`` (Burda, Grosse, Salakhutdinov,
    "Importance weighted autoencoders", 2016, arXiv:1509.00519). Validation reports the loss at the
    full ``beta``; as ``val/nll`` the same bound at ``beta = 1`` and without free bits; and the two
    parts of the ELBO.

    >>> objective = ELBO(importance_samples=1, beta=2.0)
    >>> objective.reports
    ('val/loss', 'val/nll', 'val/reconstruction', 'val/kl')

    Args:
        importance_samples: Draws of z for each x: 1 for the ELBO, k for the IWAE's bound.
        beta: Factor on the divergence of the encoder from the prior.
        free_bits: Nats of divergence that cost nothing, in each latent coordinate.
        annealing: Fraction of the steps over which the factor rises from 0 to ``beta``.

    Raises:
        UserError: Free bits are asked for with several draws.
    """

    teaches = VAE

    def __init__(
        self,
        *,
        importance_samples: PositiveInt = 4,
        beta: NonNegative = 1.0,
        free_bits: NonNegative = 0.0,
        annealing: Fraction = 0.2,
    ) -> None:
        if free_bits and importance_samples > 1:
            raise UserError(
                f"free_bits={free_bits:g}: goes with `importance_samples=1`; "
                "a bound by several draws has no divergence of its own"
            )
        self.importance_samples = importance_samples
        self.beta = beta
        self.free_bits = free_bits
        self.annealing = annealing
        self.present_beta: float | Float[Tensor, ""] = beta

    @property
    def reports(self) -> tuple[str, ...]:
        return ("val/loss", "val/nll", "val/reconstruction", "val/kl")

    def compiles(self, model: Density) -> bool:
        return True

    def advance(self, model: VAE, *, step: int, max_steps: int, draw: int) -> None:
        rise = self.annealing * max_steps
        beta = self.beta * min((step + 1) / (rise + 1), 1.0)
        # A tensor, so that a compiled loss does not meet a new constant in each step.
        self.present_beta = torch.full((), beta, dtype=model.dtype, device=model.device)

    def loss(self, model: VAE, batch: Batch) -> Float[Tensor, ""]:
        return self._bound(self._terms(model, batch), batch, self.present_beta, self.free_bits)

    def validate(self, model: VAE, batch: Batch, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        terms = self._terms(model, batch)
        kl = kl_by_dimension(terms, batch.weight)
        return {
            "val/loss": self._bound(terms, batch, self.beta, self.free_bits),
            "val/nll": self._bound(terms, batch, 1.0, 0.0),
            "val/reconstruction": -weighted_mean(terms.log_likelihood.mean(0), batch.weight),
            "val/kl": kl.sum(),
            **{f"latent/kl_{number}": value for number, value in enumerate(kl, 1)},
        }

    def scalars(self) -> dict[str, float]:
        return {"train/beta": float(self.present_beta)}

    def _terms(self, model: VAE, batch: Batch) -> BoundTerms:
        return model.bound_terms(batch.x, batch.context, samples=self.importance_samples)

    def _bound(
        self, terms: BoundTerms, batch: Batch, beta: float | Tensor, free_bits: float
    ) -> Float[Tensor, ""]:
        if self.importance_samples == 1:
            return negative_elbo(terms, batch.weight, beta=beta, free_bits=free_bits)
        return negative_iwae(terms, batch.weight, beta=beta)


def negative_elbo(
    terms: BoundTerms,
    weight: Float[Tensor, " n"] | None = None,
    *,
    beta: float | Float[Tensor, ""] = 1.0,
    free_bits: float = 0.0,
) -> Float[Tensor, ""]:
    """``-E[log p(x | z)] + beta sum_i max(f, KL_i)`` in nats, weighted.

    With ``beta = 1`` and ``f = 0`` it bounds ``-E[log p(x)]`` from above (Kingma, Welling,
    "Auto-encoding variational Bayes", 2014, eq. 10). Other factors trade reconstruction for
    independence (Higgins et al., "beta-VAE", 2017); ``KL_i`` is the batch's mean in coordinate i,
    and what it has below f is free (Kingma et al., "Improved variational inference with inverse
    autoregressive flow", 2016, appendix C.8).

    Args:
        terms: The model's terms for a batch, of any number of draws.
        weight: How much each point counts.
        beta: Factor on the divergence.
        free_bits: f, nats a latent coordinate.
    """
    reconstruction = -weighted_mean(terms.log_likelihood.mean(0), weight)
    divergence = kl_by_dimension(terms, weight).clamp(min=free_bits).sum()
    return reconstruction + beta * divergence


def negative_iwae(
    terms: BoundTerms,
    weight: Float[Tensor, " n"] | None = None,
    *,
    beta: float | Float[Tensor, ""] = 1.0,
) -> Float[Tensor, ""]:
    """``-E[log 1/k sum_j w_j]`` with ``log w_j = log p(x | z_j) - beta log q(z_j | x) / p(z_j)``.

    For ``beta = 1`` a bound that tightens with k and equals the ELBO at k = 1 (Burda, Grosse,
    Salakhutdinov, "Importance weighted autoencoders", 2016, eq. 8). The plain gradient tells the
    encoder less the larger k is; here the encoder is given the doubly reparametrised one, of the
    same mean (Tucker et al., "Doubly reparameterized gradient estimators for Monte Carlo
    objectives", 2019, eq. 8). With ``v_j = w_j / sum w`` it weighs ``d log w_j / dz_j`` by
    ``v_j^2``; for other beta by ``v_j (1 - beta + beta v_j)``. The change is made on the terms' own
    draws: take fresh terms for another gradient.

    Args:
        terms: The model's terms for a batch, of k draws.
        weight: How much each point counts.
        beta: Factor on the divergence.
    """
    log_weights = terms.log_likelihood - beta * terms.log_ratio
    if terms.z.requires_grad:
        factor = (1 - beta + beta * log_weights.detach().softmax(0)).unsqueeze(-1)
        # The mean's own gradient brings the first factor v_j.
        terms.z.register_hook(lambda gradient: gradient * factor)
    return -weighted_mean(log_weights.logsumexp(0) - math.log(len(log_weights)), weight)


def kl_by_dimension(
    terms: BoundTerms, weight: Float[Tensor, " n"] | None = None
) -> Float[Tensor, " l"]:
    """Mean divergence of each latent coordinate over a batch, in nats."""
    if weight is None:
        return terms.kl.mean(0)
    return (weight[:, None] * terms.kl).sum(0) / mass(weight)
