"""Evidence lower bounds on the log-likelihood of latent-variable models."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from genlab.batch import weighted_mean
from genlab.models.vae import BoundTerms

__all__ = ["kl_by_dimension", "negative_elbo", "negative_iwae"]


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
    return (weight[:, None] * terms.kl).sum(0) / weight.sum()
