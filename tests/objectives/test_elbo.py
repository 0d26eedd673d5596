"""Evidence lower bounds: their limits, weights, and gradients against plain ones."""

from __future__ import annotations

import math

import pytest
import torch
from properties import disturb

from genlab.densities import GaussianObservation
from genlab.models import VAE
from genlab.models.vae import BoundTerms
from genlab.objectives import kl_by_dimension, negative_elbo, negative_iwae


@pytest.fixture
def model() -> VAE:
    observation = GaussianObservation((3,), scale="network", min_scale=0.3)
    return disturb(
        VAE(
            (3,),
            latent_dim=2,
            observation=observation,
            network="mlp",
            hidden=[8],
            activation="tanh",
            covariance="full",
            importance_samples=1,
        )
    ).double()


@pytest.fixture
def terms(model: VAE) -> BoundTerms:
    return model.bound_terms(torch.randn(50, 3).double(), samples=4)


def test_beta_weighs_the_divergence(terms: BoundTerms) -> None:
    reconstruction, kl = -terms.log_likelihood.mean(), terms.kl.sum(1).mean()
    torch.testing.assert_close(negative_elbo(terms), reconstruction + kl)
    torch.testing.assert_close(negative_elbo(terms, beta=0.0), reconstruction)
    torch.testing.assert_close(negative_elbo(terms, beta=4.0), reconstruction + 4 * kl)


def test_free_bits_are_free(terms: BoundTerms) -> None:
    reconstruction, (low, high) = -terms.log_likelihood.mean(), terms.kl.mean(0).sort().values
    between = (low + high).item() / 2
    for bits, expected in (
        (0.0, low + high),
        (between, between + high),
        (100.0, torch.tensor(200.0)),
    ):
        loss = negative_elbo(terms, free_bits=bits)
        torch.testing.assert_close(loss, reconstruction + expected, check_dtype=False)
    (gradient,) = torch.autograd.grad(negative_elbo(terms, free_bits=100.0), terms.kl)
    assert not gradient.any()


def test_the_importance_weighted_bound_lies_between_the_elbo_and_the_best_draw(
    terms: BoundTerms,
) -> None:
    log_weights = terms.log_likelihood - terms.log_ratio
    bound = -negative_iwae(terms)
    assert log_weights.mean() < bound < log_weights.max(0).values.mean()
    torch.testing.assert_close(bound, log_weights.exp().mean(0).log().mean())
    without = terms.log_likelihood.logsumexp(0) - math.log(4)
    torch.testing.assert_close(negative_iwae(terms, beta=0.0), -without.mean())


def test_weights_count(model: VAE) -> None:
    x, weight = torch.randn(6, 3).double(), torch.tensor([0.0, 0, 1, 2, 0, 0]).double()
    twice = x[[2, 3, 3]]

    def ones(x: torch.Tensor) -> torch.Tensor:
        return torch.ones(2, len(x), 2).double()

    def losses(x: torch.Tensor, weight: torch.Tensor | None) -> list[torch.Tensor]:
        # The same noise for all rows, so that it does not matter where they stand.
        posterior = model.encode(x)
        z = posterior.transform(ones(x))
        parameters = model.decoder(z.flatten(0, 1)).unflatten(0, (2, len(x)))
        likelihood = model.observation.log_prob(x, parameters)
        ratio = posterior.log_ratio(z, ones(x))
        terms = BoundTerms(z, likelihood, ratio, posterior.kl())
        return [
            negative_elbo(terms, weight, free_bits=0.3),
            negative_iwae(terms, weight),
            *kl_by_dimension(terms, weight),
        ]

    for one, other in zip(losses(x, weight), losses(twice, None), strict=True):
        torch.testing.assert_close(one, other)


def encoder_gradients(
    model: VAE, x: torch.Tensor, k: int, beta: float, plain: bool
) -> torch.Tensor:
    if plain:
        posterior = model.encode(x)
        noise = torch.randn(k, *posterior.mean.shape).double()
        z = posterior.transform(noise)
        parameters = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
        log_likelihood = model.observation.log_prob(x, parameters)
        log_weights = log_likelihood - beta * posterior.log_ratio(z, noise)
        loss = -(log_weights.logsumexp(0) - math.log(k)).mean()
    else:
        loss = negative_iwae(model.bound_terms(x, samples=k), beta=beta)
    gradients = torch.autograd.grad(loss, list(model.encoder.parameters()))
    return torch.cat([gradient.flatten() for gradient in gradients])


@pytest.mark.parametrize(("k", "beta"), [(1, 1.0), (8, 1.0), (8, 0.4)])
def test_the_encoders_gradient_has_the_mean_of_the_plain_one(
    model: VAE, k: int, beta: float
) -> None:
    x = torch.randn(1, 3).double().expand(500, -1)
    both = [
        torch.stack([encoder_gradients(model, x, k, beta, plain) for _ in range(60)])
        for plain in (True, False)
    ]
    difference = both[0].mean(0) - both[1].mean(0)
    error = ((both[0].var(0) + both[1].var(0)) / 60).sqrt()
    z = difference / error.clamp_min(1e-12)
    assert z.abs().max() < 5
    assert z.square().mean() < 2
    if k > 1 and beta == 1:
        assert both[1].var(0).sum() < both[0].var(0).sum()


def test_the_decoders_gradient_is_the_plain_one(model: VAE) -> None:
    x = torch.randn(20, 3).double()
    decoder = list(model.decoder.parameters())
    torch.manual_seed(1)
    ours = torch.autograd.grad(negative_iwae(model.bound_terms(x, samples=5)), decoder)
    torch.manual_seed(1)
    terms = model.bound_terms(x, samples=5)
    log_weights = terms.log_likelihood - terms.log_ratio
    plain = torch.autograd.grad(-(log_weights.logsumexp(0) - math.log(5)).mean(), decoder)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other)
