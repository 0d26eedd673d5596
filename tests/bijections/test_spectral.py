"""Spectral standardisation: the best stationary Gaussian, and what commutes with it."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.bijections import SpectralStandardise, SpectralStandardiseGiven
from genlab.densities import StandardNormal
from genlab.fields import (
    Matern,
    PowerLaw,
    averaged,
    filtered,
    gaussian_log_prob,
    mode_classes,
    power,
    squared_wavenumber,
)
from genlab.models import NICE

N = 9


def fields(n: int, variances: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(n, 1, *variances.shape, dtype=torch.float64)
    return filtered(noise, variances.sqrt())


def test_white_noise_behind_it_is_the_gaussian_of_the_spectrum() -> None:
    variances = PowerLaw(rms=3.0).variances(N)
    layer = SpectralStandardise(variances[None], torch.tensor([0.5])).double()
    x = 0.5 + fields(20, variances)
    z, log_det = layer(x)
    truth = gaussian_log_prob(x[:, 0] - 0.5, variances)
    torch.testing.assert_close(
        StandardNormal((1, N, N)).double().log_prob(z) + log_det, truth, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("alike", ["orbits", "shells", "modes"])
def test_what_it_finds_in_data_is_near_the_optimum(alike) -> None:
    # lambda of one shell differ, so that shells cost a little: each class c of m_c modes is known
    # from n m_c squares, which costs sum_c 1 / 2n in the mean.
    variances, n = PowerLaw(floor=0.2, slope=2.0).variances(N), 4000
    layer = SpectralStandardise(torch.ones(1, N, N), alike=alike)
    layer.initialise(2 + fields(n, variances).float())
    x = 2 + fields(n, variances)
    z, log_det = layer.double()(x)
    log_q = StandardNormal((1, N, N)).double().log_prob(z) + log_det
    excess = gaussian_log_prob(x[:, 0] - 2, variances) - log_q
    allowed = {"orbits": 16 / (2 * n), "shells": 0.2, "modes": 42 / (2 * n)}[alike]
    error = float(excess.std()) / math.sqrt(n)
    assert abs(float(excess.mean())) < 4 * error + 2 * allowed


def test_channels_have_spectra_of_their_own() -> None:
    ours = [PowerLaw(rms=3.0).variances(N), Matern(rms=0.1).variances(N)]
    x = torch.cat([fields(3000, one) + shift for one, shift in zip(ours, (1, -1), strict=True)], 1)
    layer = SpectralStandardise(torch.ones(2, N, N))
    layer.initialise(x.float())
    torch.testing.assert_close(
        layer.log_scale.double(), 0.5 * torch.stack(ours).log(), atol=0.06, rtol=0
    )
    torch.testing.assert_close(layer.mean, torch.tensor([1.0, -1.0]), atol=0.3, rtol=0)


@pytest.mark.parametrize(
    "turn",
    [
        lambda x: x.roll((2, -3), (2, 3)),
        lambda x: x.rot90(1, (2, 3)),
        lambda x: x.flip(2).roll(1, 2),
        lambda x: x.mT,
    ],
    ids=["translation", "rotation", "reflection", "transpose"],
)
def test_the_symmetries_of_the_square_commute_with_it(turn) -> None:
    layer = SpectralStandardise(torch.ones(1, N, N))
    layer.initialise(torch.randn(50, 1, N, N).cumsum(2))
    x = torch.randn(4, 1, N, N)
    torch.testing.assert_close(layer(turn(x))[0], turn(layer(x)[0]), atol=1e-4, rtol=1e-4)


def test_single_precision_keeps_the_digits_of_large_fields() -> None:
    variances = PowerLaw(rms=3.0).variances(127)
    layer = SpectralStandardise(variances[None])
    exact = -0.5 * float(variances.log().sum())
    x = fields(2, variances).float()
    z, log_det = layer(x)
    # As near as float32 tells such numbers apart.
    assert abs(float(log_det[0]) - exact) < 4 * 2.0**-24 * abs(exact)
    truth = filtered(x.double(), variances.rsqrt())
    torch.testing.assert_close(z.double(), truth, atol=2e-5, rtol=0)
    torch.testing.assert_close(layer.inverse(z)[0], x, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "x",
    [torch.full((10, 1, 5, 5), 3.0), torch.randn(10, 1, 5, 1).expand(10, 1, 5, 5)],
    ids=["constant", "of one coordinate"],
)
def test_modes_that_are_empty_stay_finite(x: torch.Tensor) -> None:
    layer = SpectralStandardise(torch.ones(1, 5, 5))
    z = layer.initialise(x)
    assert z.isfinite().all()
    assert layer(x)[1].isfinite().all()
    torch.testing.assert_close(layer.inverse(z)[0], x, atol=1e-4, rtol=0)


def test_fields_are_square() -> None:
    with pytest.raises(ValueError, match="expected square fields, got 4 x 5"):
        SpectralStandardise(torch.ones(1, 4, 5))


def moving(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Fields whose spectrum falls off the faster, the larger the number that they come with."""
    s = 2 + 3 * torch.rand(n, 1, dtype=torch.float64)
    decay = -0.1 * s[..., None] * squared_wavenumber(N).sqrt()
    variances = PowerLaw(rms=3.0).variances(N) * decay.exp()
    noise = torch.randn(n, 1, N, N, dtype=torch.float64)
    return filtered(noise, variances.sqrt()[:, None]), s, variances


@pytest.mark.parametrize(("alike", "classes"), [("orbits", 15), ("modes", 41)])
def test_the_spectrum_follows_a_number(alike, classes) -> None:
    n, knots = 4000, 5
    layer = SpectralStandardiseGiven(torch.ones(knots, 1, N, N), alike=alike)
    x, s, _ = moving(n)
    layer.initialise(x.float(), s.float())
    x, s, variances = moving(n)
    z, log_det = layer.double()(x, s)
    log_q = StandardNormal((1, N, N)).double().log_prob(z) + log_det
    excess = gaussian_log_prob(x[:, 0], variances) - log_q
    allowed = classes * knots / (2 * n)  # nats, one half for each number that is fitted
    assert abs(float(excess.mean())) < 4 * float(excess.std()) / math.sqrt(n) + 2 * allowed
    back, inverse = layer.inverse(z, s)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(inverse, -log_det)
    # One spectrum for all is far away.
    one = SpectralStandardise(torch.ones(1, N, N), alike=alike)
    one.initialise(x.float())
    z, log_det = one.double()(x)
    assert (log_q - StandardNormal((1, N, N)).double().log_prob(z) - log_det).mean() > 10 * allowed


def test_a_spectrum_that_grows_by_many_powers_of_ten_is_found() -> None:
    layer = SpectralStandardiseGiven(torch.ones(9, 1, N, N))
    s = torch.rand(4000, 1)
    z = layer.initialise((10 * s[..., None, None]).exp() * torch.randn(4000, 1, N, N), s)
    for few in ((s < 0.1), (s > 0.9)):
        assert z[few[:, 0]].std().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("s", [torch.full((6, 1), 2.0), torch.tensor([[0.0], [0.0], [9.0]])])
def test_numbers_that_leave_knots_alone_are_standardised_too(s: torch.Tensor) -> None:
    layer = SpectralStandardiseGiven(torch.ones(9, 1, N, N))
    z = layer.initialise(torch.randn(len(s), 1, N, N), s)
    assert z.isfinite().all()
    beyond = layer(torch.randn(3, 1, N, N), torch.tensor([[-5.0], [4.0], [99.0]]))
    assert all(part.isfinite().all() for part in beyond)


def test_a_spectrum_that_follows_a_number_is_told_it() -> None:
    layer = SpectralStandardiseGiven(torch.ones(9, 1, N, N))
    for context in (None, torch.zeros(2, 2)):
        with pytest.raises(ValueError, match="expected one number for each field"):
            layer(torch.randn(2, 1, N, N), context)


def test_a_density_given_a_number_samples_by_its_spectrum() -> None:
    model = NICE((1, N, N), network="conv", hidden=[4], context_dim=1)
    model.preprocessing = SpectralStandardiseGiven(torch.ones(5, 1, N, N))
    model.context_encoder.standardise = True
    x, s, _ = moving(4000)
    model.initialise(x.float(), s.float())
    for time in (2.5, 4.5):
        given = torch.tensor([[time]])
        samples, log_p = model.sample_with_log_prob(4000, given)
        torch.testing.assert_close(model.log_prob(samples, given), log_p, atol=1e-3, rtol=0)
        found = averaged(power(samples[:, 0].double()).mean(0), mode_classes(N))
        decay = (-0.1 * time * squared_wavenumber(N).sqrt()).exp()
        truth = PowerLaw(rms=3.0).variances(N) * decay
        torch.testing.assert_close(found, truth, atol=0, rtol=0.2)
