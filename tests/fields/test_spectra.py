"""Spectra: scale, closed forms, and what float32 does not resolve."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from fields.dense import covariance

from genlab.errors import UserError
from genlab.fields import Kraichnan, Matern, PowerLaw, Spectrum, SpectrumMixture

ALL = {
    "power_law": PowerLaw(rms=1.5),
    "matern": Matern(rms=1.5),
    "kraichnan": Kraichnan(rms=1.5),
    "mixture": SpectrumMixture(spectra=[PowerLaw(rms=math.sqrt(1.5)), Matern(rms=math.sqrt(3))]),
}


@pytest.mark.parametrize("n", [1, 2, 8, 17])
@pytest.mark.parametrize("name", ALL)
def test_scale_and_symmetry(name: str, n: int) -> None:
    variances = ALL[name].variances(n)
    assert variances.dtype == torch.float64
    assert variances.mean().item() == pytest.approx(1.5**2)
    assert (variances > 0).all()
    minus = -torch.arange(n) % n
    for image in (variances[minus], variances[:, minus], variances.T):
        torch.testing.assert_close(image, variances, rtol=1e-14, atol=0)
    if n > 1:
        assert variances[0, 0] == variances[0, 1]


def test_a_power_law_with_a_shoulder_and_a_floor() -> None:
    variances = PowerLaw(slope=2.0, shoulder=4.0, floor=0.1, mean_mode=3.0).variances(17)
    shape = variances / (variances[0, 4] / 0.6)
    assert shape[3, 0].item() == pytest.approx(1 / (1 + 9 / 16) + 0.1)
    assert shape[-4, 3].item() == pytest.approx(1 / (1 + 25 / 16) + 0.1)
    assert shape[0, 0].item() == pytest.approx(3 * shape[1, 0].item())


def test_materns_covariance_is_wrapped_round_the_torus() -> None:
    n, length = 64, 1.0
    kappa = math.sqrt(3) / length  # of smoothness 3/2
    mean_mode = ((kappa**2 + 1) / kappa**2) ** 2.5  # lambda_0 as the formula has it
    spectrum = Matern(smoothness=1.5, length=length, mean_mode=mean_mode)
    found = covariance(spectrum.variances(n))
    place = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    wrapped = torch.zeros(n, n, dtype=torch.float64)
    for i, j in product(range(-4, 5), repeat=2):
        r = torch.hypot(place[:, None] + 2 * math.pi * i, place + 2 * math.pi * j)
        wrapped += (1 + kappa * r) * torch.exp(-kappa * r)
    torch.testing.assert_close(found / found[0, 0], wrapped / wrapped[0, 0], atol=1e-3, rtol=0)


def test_kraichnans_equilibrium_shares_energy_at_large_and_enstrophy_at_small_scales() -> None:
    large, small = Kraichnan(shoulder=1e3).variances(9), Kraichnan(shoulder=1e-3).variances(9)
    assert (large[0, 4] / large[0, 1]).item() == pytest.approx(16, rel=1e-4)
    assert (small[0, 4] / small[0, 1]).item() == pytest.approx(1, rel=1e-4)


def test_a_mixture_knows_its_parts() -> None:
    inner = SpectrumMixture(spectra=[PowerLaw(), Matern()], weights=[1.0, 3.0])
    outer = SpectrumMixture(spectra=[inner, Kraichnan()])
    assert [weight for weight, _ in outer.parts] == pytest.approx([0.125, 0.375, 0.5])
    assert [type(part) for _, part in outer.parts] == [PowerLaw, Matern, Kraichnan]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Matern(smoothness=6.0).variances(64), "which float32 does not resolve"),
        (lambda: PowerLaw(floor=0.0, slope=9.0, shoulder=1.0).variances(64), "a flatter spectrum"),
        (lambda: SpectrumMixture(spectra=[]), "at least 1"),
        (lambda: SpectrumMixture(spectra=[Matern()], weights=[1.0, 2.0]), "expected 1 for as many"),
        (lambda: PowerLaw(rms=0.0), "rms=0.0: expected a number, greater than 0"),
    ],
)
def test_mistakes_are_named(make, message: str) -> None:
    with pytest.raises((UserError, ValueError), match=message):
        make()


def test_a_spectrum_of_ones_own() -> None:
    class White(Spectrum):
        def variances(self, n: int) -> torch.Tensor:
            return torch.ones(n, n, dtype=torch.float64)

    assert [weight for weight, _ in White().parts] == [1.0]
