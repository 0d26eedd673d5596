"""Scores of fields against what is known of scaled, Gaussian and flowing ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genlab.evaluation.estimate import Estimate
from genlab.evaluation.fields import field_scores, field_statistics, flatness
from genlab.fields.grid import squared_wavenumber, wavenumbers
from genlab.fields.statistics import velocity


def gaussian(count: int, n: int = 17, *, generator: torch.Generator | None = None) -> torch.Tensor:
    """Fields with ``lambda_k = 64 / (1 + |k|^2 / 9)``."""
    white = torch.randn(count, 1, n, n, dtype=torch.float64, generator=generator)
    hat = torch.fft.fft2(white, norm="ortho")
    scale = (1 + squared_wavenumber(n) / 9).rsqrt()
    return 8 * torch.fft.ifft2(scale * hat, norm="ortho").real


def flowing(count: int) -> torch.Tensor:
    """Fields that are much alike, and have a flux therefore."""
    one = torch.Generator().manual_seed(11)
    fixed = gaussian(1, generator=one)
    return (1 + 0.05 * torch.randn(count, 1, 1, 1)) * fixed + 0.2 * gaussian(count)


def scores(drawn: torch.Tensor, truth: torch.Tensor, *, quantity: str = "vorticity"):
    first, second = truth.chunk(2)
    source = torch.Generator().manual_seed(0)
    return field_scores(drawn, first, second, quantity, generator=source)


def test_of_fields_that_are_too_large_each_score_is_known() -> None:
    truth = flowing(400)
    found = scores(1.1 * truth[:200], truth)
    value = {tag: estimate.value for tag, estimate in found.items()}
    assert value["test/spectrum"] == pytest.approx(0.21)
    assert value["test/log_spectral_distance/decibels"] == pytest.approx(20 * math.log10(1.1))
    for band in ("energetic", "inertial", "dissipative"):
        assert value[f"test/retention/{band}"] == pytest.approx(1.21)
    assert value["test/enstrophy_flux"] == pytest.approx(1.331 - 1)
    assert value["test/flatness"] == pytest.approx(
        flatness(field_statistics(truth[:200], "vorticity")).value
    )
    assert value["test/log_spectral_distance"] > 2
    assert all(estimate.se > 0 for estimate in found.values())


def test_true_fields_are_as_far_as_true_fields() -> None:
    multiples: dict[str, list[float]] = {}
    for _ in range(8):
        truth = gaussian(180, n=9)
        found = scores(truth[120:], truth[:120])
        for tag in ("test/log_spectral_distance", "test/increments"):
            multiples.setdefault(tag, []).append(found[tag].value)
        ratio = found["test/spectrum"].value / found["test/spectrum/reference"].value
        multiples.setdefault("test/spectrum", []).append(ratio)
        for name in ("flatness", "energy", "enstrophy"):
            ours, true = found[f"test/{name}"], found[f"target/{name}"]
            assert abs(ours.value - true.value) < 4 * math.hypot(ours.se, true.se)
    for tag, values in multiples.items():
        assert np.mean(values) == pytest.approx(1, abs=0.4), tag
        assert max(values) < 4


def test_the_flux_of_true_fields_is_as_far_as_the_reference() -> None:
    truth = flowing(300)
    found = scores(truth[200:], truth[:200])
    assert found["test/enstrophy_flux"].value < 3 * found["test/enstrophy_flux/reference"].value
    assert found["test/enstrophy_flux"].value < 4 * found["test/enstrophy_flux"].se


def test_gaussian_fields_have_a_flatness_of_three_and_no_flux() -> None:
    truth = gaussian(600)
    found = scores(1.2 * gaussian(300), truth)
    for tag in ("test/flatness", "target/flatness"):
        assert abs(found[tag].value - 3) < 4 * found[tag].se
        assert found[tag].se < 0.1
    assert not any("flux" in tag for tag in found)
    # Of N(0, 1) and N(0, s^2) it is |s - 1| sqrt(2 / pi).
    distance = found["test/increments/w1"]
    assert abs(distance.value - 0.2 * math.sqrt(2 / math.pi)) < 4 * distance.se
    assert distance.se < 0.03


def test_errors_are_the_scatter_over_repetitions() -> None:
    def estimates(draw) -> list[Estimate]:
        return [draw() for _ in range(60)]

    def ratio(tag: str):
        def draw() -> Estimate:
            truth = gaussian(160, n=9)
            return scores(truth[:80], truth.roll(80, 0), quantity="scalar")[tag]

        return draw

    for tag in ("test/retention/inertial", "test/flatness"):
        found = estimates(ratio(tag))
        scatter = np.std([estimate.value for estimate in found])
        assert np.mean([estimate.se for estimate in found]) == pytest.approx(scatter, rel=0.3)


def test_a_velocity_has_the_scores_of_its_vorticity() -> None:
    truth = flowing(100)
    truth = truth - truth.mean((2, 3), keepdim=True)
    u = velocity(truth[:, 0])
    mine, theirs = scores(truth[:50], truth), scores(u[:50], u, quantity="velocity")
    assert mine.keys() == theirs.keys()
    for tag, estimate in mine.items():
        assert theirs[tag].value == pytest.approx(estimate.value, rel=1e-6, abs=1e-9)


def test_scalars_of_several_channels_are_scored_channel_by_channel() -> None:
    truth = torch.cat([gaussian(200), 1e3 * gaussian(200)], 1)
    factor = torch.tensor([1.1, 1.0])[:, None, None]
    found = scores(factor * truth[:100], truth, quantity="scalar")
    assert found["test/spectrum"].value == pytest.approx(0.21)
    assert found["test/retention/inertial"].value == pytest.approx((1.21 + 1) / 2)
    assert "test/energy" not in found


def test_shells_without_power_are_passed_over() -> None:
    n = 16
    kx, ky = wavenumbers(n)
    kept = (kx.abs() < 6) & (ky.abs() < 6)
    truth = torch.fft.ifft2(torch.fft.fft2(gaussian(40, n)) * kept).real.float()
    found = scores(1.1 * truth[:20], truth, quantity="scalar")
    assert found["test/spectrum"].value == pytest.approx(0.21, rel=1e-4)


def test_errors_of_trajectories_are_those_of_as_many_fields() -> None:
    """Fields that stand five times are one each: nothing but the count of true fields changes."""
    truth = gaussian(60, n=9)
    first, second = truth.chunk(2)
    repeated = [part.repeat_interleave(5, 0) for part in (first, second)]
    found = [
        field_scores(
            drawn, *parts, "vorticity", snapshots=many, generator=torch.Generator().manual_seed(0)
        )
        for drawn, parts, many in ((1.1 * first, (first, second), 1), (1.1 * first, repeated, 5))
    ]
    for tag, estimate in found[0].items():
        assert found[1][tag].value == pytest.approx(estimate.value, rel=1e-6, abs=1e-9), tag
        assert found[1][tag].se == pytest.approx(estimate.se, rel=1e-6, abs=1e-9), tag


@pytest.mark.parametrize("quantity", ["vorticity", "scalar"])
def test_what_has_no_scatter_has_no_unit(quantity: str) -> None:
    truth = gaussian(1).expand(20, -1, -1, -1)
    found = scores(gaussian(10), truth, quantity=quantity)
    assert math.isnan(found["test/log_spectral_distance"].value)
    assert found["test/log_spectral_distance/decibels"].value > 0
    rounded = truth.double() * (1 + 1e-8 * torch.randn(20, 1, 1, 1, dtype=torch.float64))
    found = scores(gaussian(10), rounded, quantity=quantity)
    assert math.isnan(found["test/log_spectral_distance"].value)
    constant = scores(gaussian(10), torch.ones(20, 1, 17, 17), quantity=quantity)
    assert "test/spectrum" not in constant


def test_shells_count_beside_a_large_mean() -> None:
    pressure = 1e6 + gaussian(40)
    found = scores(pressure[:20], pressure, quantity="scalar")
    assert found["test/spectrum"].value == pytest.approx(0, abs=1e-9)
    assert found["test/log_spectral_distance"].value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_smallest_fields_have_scores(n: int) -> None:
    found = scores(gaussian(20, n=n), gaussian(40, n=n))
    assert math.isfinite(found["test/spectrum"].value)
