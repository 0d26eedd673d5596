"""The encoder's Gaussian against torch.distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from genlab.densities.posterior import Posterior, n_parameters

LATENTS = 4


@pytest.fixture(params=["full", "diag"])
def posterior(request: pytest.FixtureRequest) -> Posterior:
    width = n_parameters(LATENTS, request.param)
    return Posterior.from_parameters(torch.randn(30, width, dtype=torch.float64), LATENTS)


def distribution(posterior: Posterior) -> MultivariateNormal:
    """Built from the affine map's own columns."""
    eye = torch.eye(LATENTS, dtype=torch.float64)[:, None].expand(-1, len(posterior.mean), -1)
    columns = posterior.transform(eye) - posterior.mean
    return MultivariateNormal(posterior.mean, scale_tril=columns.permute(1, 2, 0))


def test_kl_is_torchs_and_its_terms_are_the_chain_rules(posterior: Posterior) -> None:
    prior = MultivariateNormal(torch.zeros(LATENTS).double(), torch.eye(LATENTS).double())
    q = distribution(posterior)
    torch.testing.assert_close(posterior.kl().sum(1), kl_divergence(q, prior))
    # The first k terms are the divergence of the first k coordinates.
    for k in range(1, LATENTS):
        part = MultivariateNormal(posterior.mean[:, :k], q.covariance_matrix[:, :k, :k])
        truth = kl_divergence(part, MultivariateNormal(prior.mean[:k], torch.eye(k).double()))
        torch.testing.assert_close(posterior.kl()[:, :k].sum(1), truth)


def test_the_scale_is_that_of_each_coordinate(posterior: Posterior) -> None:
    torch.testing.assert_close(posterior.scale, distribution(posterior).variance.sqrt())


def test_the_log_ratio_is_that_of_the_densities(posterior: Posterior) -> None:
    noise = torch.randn(7, 30, LATENTS, dtype=torch.float64)
    z = posterior.transform(noise)
    normal = -0.5 * z.square().sum(-1) - LATENTS / 2 * torch.log(torch.tensor(2 * torch.pi))
    truth = distribution(posterior).log_prob(z) - normal
    torch.testing.assert_close(posterior.log_ratio(z, noise), truth, atol=1e-6, rtol=1e-6)


def test_whitening_undoes_the_transform(posterior: Posterior) -> None:
    noise = torch.randn(7, 30, LATENTS, dtype=torch.float64)
    torch.testing.assert_close(posterior.whiten(posterior.transform(noise)), noise)


def test_detached_gaussians_are_equal_and_without_gradient() -> None:
    parameters = torch.randn(3, n_parameters(LATENTS, "full"), requires_grad=True)
    posterior = Posterior.from_parameters(parameters, LATENTS)
    detached = posterior.detach()
    for one, other in zip(posterior, detached, strict=True):
        assert one.requires_grad
        assert not other.requires_grad
        assert torch.equal(one, other)


@pytest.mark.parametrize("size", [1e2, 1e6])
def test_extreme_answers_are_finite_with_finite_gradients(size: float) -> None:
    parameters = (size * torch.randn(20, n_parameters(LATENTS, "full"))).requires_grad_()
    posterior = Posterior.from_parameters(parameters, LATENTS)
    noise = torch.randn(2, 20, LATENTS)
    z = posterior.transform(noise)
    total = posterior.kl().sum() + posterior.log_ratio(z, noise).sum()
    total.backward()
    assert total.isfinite()
    assert parameters.grad is not None
    assert parameters.grad.isfinite().all()
