"""Standardisation by block means: the posterior in closed form, its determinant, and fits of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from fields.dense import posterior

from genlab.bijections import PosteriorStandardise
from genlab.densities import StandardNormal
from genlab.fields import Matern, PowerLaw, block_means, block_shares
from genlab.models import FlowMatching
from genlab.nn import SpectralNet
from genlab.targets import GaussianField

N, FACTOR = 9, 3
M = N // FACTOR


def law(**options: Any) -> GaussianField:
    settings = {"spectrum": PowerLaw(rms=3.0), "mean": 0.5, "factor": FACTOR, **options}
    return GaussianField(N, condition="low_resolution", **settings)


def exact(target: GaussianField, gain: float = 1.0) -> PosteriorStandardise:
    """The layer that knows the law, and is given means in another unit."""
    layer = PosteriorStandardise(target.variances, factor=FACTOR).double()
    layer.log_scale.copy_(0.5 * target.variances.log())
    layer.mean.fill_(target.mean)
    layer.gain.fill_(gain)
    layer.offset.fill_(gain * target.mean)
    layer.noise.fill_(gain**2 * target.noise)
    layer.prior.copy_(gain**2 * (target.coarse_variances - target.noise))
    return layer


def test_white_noise_behind_it_is_the_posterior() -> None:
    """Against Bayes' formula for the density, and against dense matrices for the moments."""
    target, gain = law(), 0.7
    layer = exact(target, gain)
    batch = target.draw(20)
    assert batch.context is not None
    x, y = batch.x.double(), batch.context.double()
    z, log_det = layer(x, gain * y)
    log_q = StandardNormal((1, N, N)).double().log_prob(z) + log_det
    torch.testing.assert_close(log_q, target.log_prob(x, y), atol=1e-9, rtol=0)

    mean, scale = posterior(target, y[:1])
    found, _ = layer.inverse(torch.zeros(1, 1, N, N).double(), gain * y[:1])
    torch.testing.assert_close(found.flatten(1), mean)
    basis = torch.eye(N * N).double().view(-1, 1, N, N)
    root = (layer.inverse(basis, gain * y[:1].expand(N * N, -1))[0] - found).flatten(1)
    torch.testing.assert_close(root.T @ root, scale @ scale.T)


def test_the_determinant_is_that_of_the_jacobian() -> None:
    layer, y = exact(law()), torch.randn(1, M * M).double()
    x = torch.randn(1, 1, N, N).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x, y)[0], x)
    log_det = torch.linalg.slogdet(jacobian.view(N * N, N * N)).logabsdet
    torch.testing.assert_close(layer(x, y)[1][0], log_det)
    back, inverse = layer.inverse(layer(x, y)[0], y)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(inverse[0], -log_det)


def test_shares_are_the_transpose_of_means() -> None:
    w, y = torch.randn(5, 6, 6).double(), torch.randn(5, 2, 2).double()
    torch.testing.assert_close((block_means(w, 3) * y).sum(), (w * block_shares(y, 3)).sum())


@pytest.mark.parametrize("noise", [None, 50.0], ids=["of a hundredth", "that hides all"])
def test_what_it_finds_in_data_is_near_the_posterior(noise: float | None) -> None:
    """In whatever units the means come: half a nat in n for each number that is fitted."""
    target, n = law(noise=noise), 4000
    layer = PosteriorStandardise(torch.ones(1, N, N), factor=FACTOR)
    unit, zero = 0.2, torch.linspace(-1, 1, M * M)
    x, y, _ = target.draw(n)
    assert y is not None
    layer.initialise(x, unit * y + zero)
    x, y, _ = target.draw(n)
    assert y is not None
    z, log_det = layer.double()(x.double(), (unit * y + zero).double())
    log_q = StandardNormal((1, N, N)).double().log_prob(z) + log_det
    excess = target.log_prob(x.double(), y) - log_q
    allowed = (15 + M * M + 3) / (2 * n)  # orbits, offsets; mean, gain and noise
    assert abs(float(excess.mean())) < 4 * float(excess.std()) / math.sqrt(n) + 2 * allowed


def test_channels_have_laws_of_their_own() -> None:
    laws = [law(), law(spectrum=Matern(rms=0.1), mean=-1.0)]
    batches = [target.draw(3000) for target in laws]
    x = torch.cat([batch.x for batch in batches], 1)
    y = torch.cat([batch.context for batch in batches if batch.context is not None], 1)
    layer = PosteriorStandardise(torch.ones(2, N, N), factor=FACTOR)
    z = layer.initialise(x, y)
    own = [PosteriorStandardise(torch.ones(1, N, N), factor=FACTOR) for _ in laws]
    alone = [one.initialise(*batch[:2]) for one, batch in zip(own, batches, strict=True)]
    torch.testing.assert_close(z, torch.cat(alone, 1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(layer.inverse(z, y)[0], x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("fields", [torch.full((10, 1, 6, 6), 3.0), torch.randn(10, 1, 6, 6)])
@pytest.mark.parametrize("given", [torch.zeros(10, 4), torch.randn(10, 4)])
def test_means_that_tell_nothing_stay_finite(fields: torch.Tensor, given: torch.Tensor) -> None:
    layer = PosteriorStandardise(torch.ones(1, 6, 6), factor=3)
    z = layer.initialise(fields, given)
    assert z.isfinite().all()
    assert layer(fields, given)[1].isfinite().all()
    torch.testing.assert_close(layer.inverse(z, given)[0], fields, atol=1e-4, rtol=0)


def test_means_are_asked_for() -> None:
    layer = PosteriorStandardise(torch.ones(1, 6, 6), factor=3)
    for context in (None, torch.zeros(2, 3)):
        with pytest.raises(ValueError, match="expected 4 means of blocks a field"):
            layer(torch.randn(2, 1, 6, 6), context)
    with pytest.raises(ValueError, match="factor=4: expected a number that divides 6"):
        PosteriorStandardise(torch.ones(1, 6, 6), factor=4)


def test_an_untrained_flow_fits_what_was_seen_as_the_truth_does() -> None:
    """Its velocity is 0 at first, so that it draws from the posterior of a Gaussian."""
    target = law()
    model = FlowMatching((1, N, N), network=SpectralNet, context_dim=M * M)
    model.preprocessing = PosteriorStandardise(torch.ones(1, N, N), factor=FACTOR)
    model.context_encoder.standardise = True
    model.initialise(*target.draw(4000)[:2])
    y = target.draw(2000).context
    assert y is not None
    drawn = model.sample(len(y), y)
    misfit = (block_means(drawn[:, 0], FACTOR).flatten(1) - y).square().mean().sqrt()
    assert misfit.item() == pytest.approx(math.sqrt(target.noise), rel=0.03)
