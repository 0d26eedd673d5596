"""Families on periodic fields of an odd side."""

from __future__ import annotations

import math

import pytest
import torch
from properties import FIELD_MODELS, FIELD_SHAPE, disturb, jacobian

from genlab.bijections import Hartley
from genlab.densities import Density
from genlab.models import GMM, NICE, ContinuousFlow, Flow, RealNVP

FLOWS = [name for name in FIELD_MODELS if isinstance(FIELD_MODELS[name](FIELD_SHAPE), Flow)]


def made(name: str) -> Density:
    model = FIELD_MODELS[name](FIELD_SHAPE, context_dim=1)
    model.initialise(torch.randn(60, *FIELD_SHAPE), torch.randn(60, 1))
    return disturb(model, 0.1).double().eval()


@pytest.mark.parametrize("name", FLOWS)
def test_log_prob_is_the_change_of_variables_by_the_autograd_jacobian(name: str) -> None:
    model = made(name)
    x, c = torch.randn(3, *FIELD_SHAPE).double(), torch.randn(3, 1).double()
    z = model.bijection.encode(x, c)
    matrix = jacobian(lambda x: model.bijection(x, c)[0], x)
    normal = -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)
    truth = normal + torch.linalg.slogdet(matrix).logabsdet
    # A few steps of a solver are no exact solution.
    tolerance = 1e-2 if isinstance(model, ContinuousFlow) else 1e-9
    torch.testing.assert_close(model.log_prob(x, c), truth, atol=tolerance, rtol=0)
    back = model.bijection.generate(z, c)
    torch.testing.assert_close(back, x, atol=tolerance, rtol=0)


def test_waves_of_a_stationary_field_are_uncorrelated() -> None:
    side, n = 7, 40_000
    k = torch.fft.fftfreq(side, 1 / side)
    gain = (1 + k[:, None].square() + k.square()).rsqrt()
    x = torch.fft.ifft2(torch.fft.fft2(torch.randn(n, 1, side, side)) * gain).real
    z = Hartley((1, side, side))(x)[0].flatten(1)
    correlation = torch.corrcoef(z.T) - torch.eye(side**2)
    assert correlation.abs().max() < 6 / math.sqrt(n)
    torch.testing.assert_close(z.var(0), gain.square().flatten(), atol=0, rtol=0.05)


def test_a_mixture_in_waves_has_the_density_of_its_points() -> None:
    torch.manual_seed(0)
    waves = GMM(FIELD_SHAPE, components=2, covariance="full", basis="fourier").double()
    x = torch.randn(400, *FIELD_SHAPE).double()
    waves.initialise(x)
    unit = torch.eye(25).double().view(25, *FIELD_SHAPE)
    mixture, matrix = waves.mixture(), Hartley(FIELD_SHAPE).double()(unit)[0].flatten(1)
    gaussians = torch.distributions.MultivariateNormal(
        mixture.means[0] @ matrix, covariance_matrix=matrix @ mixture.covariances[0] @ matrix
    )
    truth = (gaussians.log_prob(x.flatten(1)[:, None]) + mixture.log_weights[0]).logsumexp(1)
    torch.testing.assert_close(waves.log_prob(x), truth)
    with pytest.raises(ValueError, match=r"basis=fourier: .* use points"):
        waves.moments()


def test_flows_on_fields_start_as_white_noise() -> None:
    x = torch.randn(5, 1, 9, 9)
    normal = -0.5 * (x.square() + math.log(2 * math.pi)).flatten(1).sum(1)
    for family in (NICE, RealNVP):
        model = family((1, 9, 9), network="conv", padding="circular", hidden=[4])
        torch.testing.assert_close(model.log_prob(x), normal)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"network=conv: .* got \[4\]; use mlp"):
        RealNVP(4, network="conv")
    with pytest.raises(ValueError, match=r"mixing=convolution: .* got \[4\]; use permutation"):
        RealNVP(4, mixing="convolution")
    with pytest.raises(ValueError, match="mixing=convolution: expected a square, got 4 x 6"):
        RealNVP((1, 4, 6), mixing="convolution")
    with pytest.raises(ValueError, match=r"basis=fourier: .* got \[4\]; use points"):
        GMM(4, basis="fourier")
