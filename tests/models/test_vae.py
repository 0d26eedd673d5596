"""The VAE where everything is known exactly: linear and Gaussian, so factor analysis."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.distributions import MultivariateNormal

from genlab.bijections import Standardise
from genlab.densities import Bernoulli, DiscretisedLogistic, GaussianObservation
from genlab.errors import UserError
from genlab.models import VAE
from genlab.models import vae as module
from genlab.objectives import negative_elbo, negative_iwae

DIM, LATENTS, SCALE = 4, 2, 0.6


def build(event_shape: tuple[int, ...] = (DIM,), **options: Any) -> VAE:
    choices: dict[str, Any] = {
        "latent_dim": LATENTS,
        "network": "auto",
        "hidden": [],
        "activation": "tanh",
        "covariance": "full",
        "importance_samples": 5,
    }
    choices["observation"] = GaussianObservation(event_shape, scale="shared", min_scale=0.1)
    return VAE(event_shape, **{**choices, **options})


def linear(*, exact: bool) -> tuple[VAE, MultivariateNormal]:
    """``x = W z + b + s e``, with the exact posterior as its encoder or one that is off."""
    model = build().double()
    weight, bias = torch.randn(DIM, LATENTS).double(), torch.randn(DIM).double()
    covariance = torch.linalg.inv(torch.eye(LATENTS).double() + weight.T @ weight / SCALE**2)
    gain = covariance @ weight.T / SCALE**2
    # covariance = U diag(s^2) U^T with a unit lower triangular U.
    root = torch.linalg.cholesky(covariance)
    slope, scale = root[1, 0] / root[0, 0], root.diagonal()
    with torch.no_grad():
        model.observation.raw_scale.fill_(math.log(math.expm1(SCALE - 0.1)) + 3.0)
        model.decoder[-1].weight.copy_(weight)
        model.decoder[-1].bias.copy_(bias)
        last = model.encoder[-1]
        last.weight.zero_()
        last.weight[:LATENTS] = gain
        last.bias[:LATENTS] = -gain @ bias
        last.bias[LATENTS : 2 * LATENTS] = 8 * torch.atanh(scale.log() / 8)
        last.bias[2 * LATENTS] = slope
        if not exact:
            last.bias += torch.tensor([0.2, -0.1, 0.3, 0.2, 0.1]).double()
    noise = SCALE**2 * torch.eye(DIM).double()
    return model, MultivariateNormal(bias, weight @ weight.T + noise)


def test_with_the_exact_posterior_every_bound_is_the_log_likelihood() -> None:
    model, truth = linear(exact=True)
    x = truth.sample((200,))
    log_p = truth.log_prob(x)
    for k in (1, 3, 64):
        model.importance_samples = k
        torch.testing.assert_close(model.log_prob(x), log_p, atol=1e-9, rtol=0)
        terms = model.bound_terms(x, samples=k)
        torch.testing.assert_close(-negative_iwae(terms), log_p.mean(), atol=1e-9, rtol=0)
        pointwise = terms.log_likelihood - terms.log_ratio
        torch.testing.assert_close(pointwise, log_p.expand(k, -1), atol=1e-9, rtol=0)


def test_with_the_exact_posterior_the_elbo_is_the_log_likelihood_in_the_mean() -> None:
    model, truth = linear(exact=True)
    x = truth.sample((1,))
    terms = model.bound_terms(x, samples=40_000)
    elbo = terms.log_likelihood[:, 0] - terms.kl.sum()
    error = elbo.std() / math.sqrt(len(elbo))
    assert abs(elbo.mean() - truth.log_prob(x)) < 4 * error
    torch.testing.assert_close(-negative_elbo(terms), elbo.mean())


def test_log_prob_and_samples_are_those_of_the_marginal() -> None:
    model, truth = linear(exact=False)
    model.importance_samples = 4096
    x = truth.sample((100,))
    torch.testing.assert_close(model.log_prob(x), truth.log_prob(x), atol=0.02, rtol=0)
    samples = model.sample(100_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(samples.mean(0), truth.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(samples.T.cov(), truth.covariance_matrix, atol=0.06, rtol=0.02)


def test_more_importance_samples_tighten_the_bound_and_never_pass_the_truth() -> None:
    model, truth = linear(exact=False)
    x = truth.sample((4000,))
    bounds = []
    for k in (1, 2, 5, 20, 100):
        model.importance_samples = k
        bounds.append(model.log_prob(x) - truth.log_prob(x))
    for loose, tight in pairwise(bounds):
        gain = tight - loose
        assert gain.mean() > 2 * gain.std() / math.sqrt(len(x))
    last = bounds[-1]
    assert last.mean() < 4 * last.std() / math.sqrt(len(x))
    assert last.mean() > -0.03


def test_the_gradient_of_log_prob_is_that_of_the_exact_density() -> None:
    model, truth = linear(exact=True)
    x = truth.sample((20,)).requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_prob(x).sum(), x)
    expected = -torch.linalg.solve(truth.covariance_matrix, (x - truth.mean).T).T
    torch.testing.assert_close(gradient, expected.detach(), atol=1e-9, rtol=0)


def test_log_prob_is_a_function_of_the_point_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, truth = linear(exact=False)
    x = truth.sample((50,))
    before = torch.get_rng_state()
    whole = model.log_prob(x)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(whole, model.log_prob(x))
    torch.testing.assert_close(model.log_prob(x[30:33]), whole[30:33], atol=1e-12, rtol=0)
    monkeypatch.setattr(module, "WORKING_SET", 1)
    torch.testing.assert_close(model.log_prob(x), whole, atol=1e-12, rtol=0)


def test_codes_and_reconstructions_are_in_data_units() -> None:
    model, truth = linear(exact=True)
    x = truth.sample((300,))
    shift = Standardise((DIM,)).double()
    shift.initialise(x)
    inner = shift(x)[0]
    code, back = model.encode(inner).mean, model.decode(model.codes(inner))
    bound = model.bound_terms(inner, samples=1)
    model.preprocessing = shift
    torch.testing.assert_close(model.encode(x).mean, code)
    torch.testing.assert_close(model.decode(model.codes(x)), shift.inverse(back)[0])
    torch.testing.assert_close(model.decode(code), shift.inverse(back)[0])
    # What the preprocessing does to volumes is counted.
    torch.manual_seed(0)
    model.preprocessing = None
    bound = model.bound_terms(inner)
    torch.manual_seed(0)
    model.preprocessing = shift
    torch.testing.assert_close(
        model.bound_terms(x).log_likelihood, bound.log_likelihood + shift(x)[1]
    )


def test_observations_of_a_code_scatter_about_what_it_is_decoded_to() -> None:
    model, _ = linear(exact=True)
    z = torch.randn(1, LATENTS).double().expand(20_000, -1)
    x = model.observe(z, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), model.decode(z[:1])[0], atol=0.02, rtol=0)
    torch.testing.assert_close(x.std(0), torch.full((DIM,), SCALE).double(), atol=0.02, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_out_points_have_finite_bounds_and_gradients(dtype: torch.dtype) -> None:
    model = build(
        hidden=[16], observation=GaussianObservation((DIM,), scale="network", min_scale=0.01)
    ).to(dtype)
    x = torch.tensor([0.0, 1e2, 1e6])[:, None].expand(-1, DIM).to(dtype).requires_grad_()
    for total in (
        model.log_prob(x).sum(),
        negative_elbo(model.bound_terms(x)),
        negative_iwae(model.bound_terms(x, samples=4)),
    ):
        for parameter in (x, *model.parameters()):
            parameter.grad = None
        total.backward()
        assert total.isfinite()
        for parameter in (x, *model.parameters()):
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("context", ["none", "vector", "label"])
@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("observation", [Bernoulli(), DiscretisedLogistic(levels=16)])
def test_images(network: str, context: str, observation: Bernoulli | DiscretisedLogistic) -> None:
    shape, n = (3, 7, 6), 5
    options = {"vector": {"context_dim": 2}, "label": {"labels": 4}, "none": {}}[context]
    model = build(shape, network=network, hidden=[4, 8], observation=observation, **options)
    row = {"vector": torch.zeros(n, 2), "label": torch.arange(n) % 4, "none": None}[context]
    x = model.sample(n, row)
    assert x.shape == (n, *shape)
    assert ((x >= 0) & (x <= 1)).all()
    log_prob = model.log_prob(x, row)
    assert log_prob.shape == (n,)
    assert model.encode(x, row).mean.shape == (n, LATENTS)
    assert model.decode(model.codes(x, row), row).shape == x.shape
    log_prob.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_auto_takes_convolutions_for_images_and_up_to_16_latents() -> None:
    assert type(build((1, 8, 8)).encoder).__name__ == "ConvEncoder"
    assert type(build((64,)).encoder).__name__ == "DenseEncoder"
    assert build((3,), latent_dim=None).latent_dim == 3
    assert build((100,), latent_dim=None).latent_dim == 16


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"network=conv: expected samples of shape .* got \[2\]"):
        build((2,), network="conv")
    model = build((3,), observation=Bernoulli())
    with pytest.raises(UserError, match="`Bernoulli`: expected data from 0 to 1"):
        model.initialise(torch.randn(100, 3))
