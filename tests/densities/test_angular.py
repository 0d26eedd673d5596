"""Densities of angles against scipy, their Fourier series, and their own samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from genlab.densities import VonMises, WrappedNormal
from genlab.densities.von_mises import log_von_mises, sample_von_mises
from genlab.densities.wrapped_normal import wound_log_prob

ANGLES = torch.linspace(-3 * math.pi, 3 * math.pi, 101, dtype=torch.float64)


def fourier(angle: torch.Tensor, deviation: float) -> torch.Tensor:
    """``(1 + 2 sum_k e^(-k^2 s^2 / 2) cos k a) / 2 pi``: the wrapped normal by its other series."""
    k = torch.arange(1, 400, dtype=torch.float64)
    waves = (-0.5 * (k * deviation).square()).exp() * (k * angle[:, None]).cos()
    return (1 + 2 * waves.sum(1)) / (2 * math.pi)


@pytest.mark.parametrize("deviation", [0.1, 0.5, 1.0, 2.0, math.pi])
def test_a_wrapped_normal_is_its_fourier_series(deviation: float) -> None:
    found = wound_log_prob(ANGLES, torch.tensor(deviation, dtype=torch.float64)).exp()
    torch.testing.assert_close(found, fourier(ANGLES, deviation), atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("concentration", [0.0, 0.1, 1.0, 50.0, 1e4])
def test_von_mises_is_scipys(concentration: float) -> None:
    kappa = torch.tensor(concentration, dtype=torch.float64)
    law = stats.vonmises(concentration) if concentration else stats.uniform(-math.pi, 2 * math.pi)
    near = ANGLES[(ANGLES.abs() < 3)]
    expected = law.logpdf(near.numpy())
    np.testing.assert_allclose(log_von_mises(near, kappa).numpy(), expected, rtol=1e-9)
    single = log_von_mises(near.float(), kappa.float())
    np.testing.assert_allclose(single.numpy(), expected, rtol=1e-5, atol=1e-5)
    x = sample_von_mises(kappa.expand(5000), generator=torch.Generator().manual_seed(0))
    assert stats.kstest(x.numpy(), law.cdf).pvalue > 1e-3


def test_the_base_of_wrapped_normals_is_scaled_by_its_parameters() -> None:
    density = WrappedNormal((3,), circular=[0, 2]).double()
    torch.testing.assert_close(density.deviation, torch.ones(3).double())
    torch.nn.init.normal_(density.raw)
    x, s = torch.randn(40, 3).double(), density.deviation.tolist()
    truth = fourier(x[:, 0], s[0]).log() + fourier(x[:, 2], s[2]).log()
    truth += torch.from_numpy(stats.norm(0, s[1]).logpdf(x[:, 1].numpy()))
    torch.testing.assert_close(density.log_prob(x), truth, atol=1e-8, rtol=1e-8)
    drawn = density.sample(20_000, generator=torch.Generator().manual_seed(0))
    # E cos k a = e^(-k^2 s^2 / 2).
    for i in (0, 2):
        for k in (1, 2):
            mean = (k * drawn[:, i]).cos().mean().item()
            assert mean == pytest.approx(math.exp(-0.5 * (k * s[i]) ** 2), abs=0.03)


def test_what_a_decoder_says_of_angles_and_other_numbers() -> None:
    observation = VonMises((2,), circular=[1], min_scale=0.2).double()
    y, x = torch.randn(6, 3, 2).double(), 2 * torch.randn(6, 2).double()
    s = 0.2 + torch.log1p((y[:, 2] - 3).exp())
    plain = stats.norm(y[:, 0, 0], s[:, 0]).logpdf(x[:, 0].numpy())
    mean = torch.atan2(y[:, 1, 1], y[:, 0, 1])
    around = stats.vonmises(1 / s[:, 1] ** 2).logpdf(x[:, 1].numpy() - mean.numpy())
    np.testing.assert_allclose(observation.log_prob(x, y).numpy(), plain + around, rtol=1e-9)
    many = y[:1].expand(20_000, -1, -1)
    drawn = observation.sample(many, torch.Generator().manual_seed(0))
    assert (drawn[:, 1].abs() <= math.pi).all()
    assert drawn[:, 0].mean().item() == pytest.approx(y[0, 0, 0].item(), abs=0.02)
    off = (drawn[:, 1] - mean[0]).sin().mean().item()
    assert off == pytest.approx(0, abs=0.02)
    torch.testing.assert_close(observation.mean(y)[:, 1], mean)
