"""Spectral standardisation: the best stationary Gaussian, and what commutes with it."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.bijections import SpectralStandardise
from genlab.densities import StandardNormal
from genlab.fields import Matern, PowerLaw, filtered, gaussian_log_prob

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
