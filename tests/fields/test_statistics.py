"""Statistics of fields against closed forms: waves, Taylor-Green's vortices, one triad."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.fields.grid import mode_classes, wavenumbers
from genlab.fields.statistics import (
    bands,
    energy,
    enstrophy,
    enstrophy_flux,
    histogram,
    increments,
    moments,
    separations,
    spectrum,
    structure_functions,
    velocity,
    vorticity,
)


def grid(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    points = 2 * math.pi / n * torch.arange(n, dtype=torch.float64)
    x, y = torch.meshgrid(points, points, indexing="ij")
    return x, y


def taylor_green(n: int, k: int) -> torch.Tensor:
    x, y = grid(n)
    return (2 * k * (k * x).cos() * (k * y).cos())[None]


@pytest.mark.parametrize("n", [8, 9, 17])
def test_the_shells_hold_the_mean_square(n: int) -> None:
    w = torch.randn(5, n, n)
    assert torch.allclose(spectrum(w).sum(1), w.double().square().mean((1, 2)))


@pytest.mark.parametrize(("kx", "ky"), [(1, 0), (3, 0), (0, 2), (3, 2), (-1, 4)])
def test_a_wave_is_in_its_shell(kx: int, ky: int) -> None:
    x, y = grid(11)
    power = spectrum((3 * (kx * x + ky * y).cos())[None])[0]
    expected = torch.zeros_like(power)
    expected[round(math.hypot(kx, ky))] = 4.5
    assert torch.allclose(power, expected, atol=1e-12)


@pytest.mark.parametrize("n", [5, 8, 17, 32, 127])
def test_three_bands_share_all_shells_but_the_mean(n: int) -> None:
    places = torch.arange(int(mode_classes(n, "shells").max()) + 1)
    parts = [places[band] for band in bands(n)]
    assert torch.equal(torch.cat(parts), places[1:])
    assert all(len(part) for part in parts)


@pytest.mark.parametrize(("n", "k"), [(9, 1), (11, 3), (12, 2)])
def test_taylor_greens_vortices(n: int, k: int) -> None:
    """``u = (-cos kx sin ky, sin kx cos ky)``, steady, of energy 1/4 and enstrophy k^2 / 2."""
    w, (x, y) = taylor_green(n, k), grid(n)
    u = torch.stack([-(k * x).cos() * (k * y).sin(), (k * x).sin() * (k * y).cos()])[None]
    assert torch.allclose(velocity(w), u, atol=1e-12)
    assert torch.allclose(vorticity(u), w, atol=1e-12)
    assert energy(velocity(w)).item() == pytest.approx(0.25)
    assert enstrophy(w + 3).item() == pytest.approx(k**2 / 2)
    assert enstrophy_flux(w).abs().max() < 1e-12
    second, third = structure_functions(u)[0]
    r = 2 * math.pi / n * torch.arange(1, n // 2 + 1, dtype=torch.float64)
    # <(cos(a + kr) - cos a)^2> <sin^2> of the first component, and as much of the other.
    assert torch.allclose(second, (1 - (k * r).cos()) / 2)
    assert third.abs().max() < 1e-12
    # <cos^4>^2 / <cos^2>^4
    _, square, _, fourth = moments(w)[0]
    assert (fourth / square**2).item() == pytest.approx(2.25)


def test_increments_are_along_their_own_axes() -> None:
    u = torch.randn(2, 2, 7, 7)
    along_x, along_y = increments(u, 3).view(2, 2, 7, 7).unbind(1)
    assert along_x[1, 6, 2] == u[1, 0, 2, 2] - u[1, 0, 6, 2]
    assert along_y[0, 1, 5] == u[0, 1, 1, 1] - u[0, 1, 1, 5]


def test_a_third_moment_of_increments_has_a_sign() -> None:
    """``u_x = cos x + sin 2x``: ``<d^3> = -6 sin(r/2)^2 sin r`` along x, and 0 along y."""
    x, _ = grid(9)
    u = torch.stack([x.cos() + (2 * x).sin(), torch.zeros_like(x)])[None]
    r = 2 * math.pi / 9 * torch.arange(1, 5, dtype=torch.float64)
    expected = -3 * (r / 2).sin() ** 2 * r.sin()
    assert torch.allclose(structure_functions(u)[0, 1], expected)


@pytest.mark.parametrize("n", [7, 9, 16])
def test_the_flux_of_a_triad(n: int) -> None:
    """``w = a cos 2x + b cos 3y + c sin 2x sin 3y``: what advection gives each mode, by hand.

    ``-u . grad (a cos 2x + b cos 3y) = 5/6 a b sin 2x sin 3y``, so that the third wave gains
    ``T = 5/24 a b c`` of ``<w N>``. Enstrophy and energy, ``sum T_k = sum T_k / k^2 = 0`` over
    ``k^2 = 4, 9, 13``, in the shells 2, 3 and 4, leave ``16 T / 65`` to the first and
    ``-81 T / 65`` to the second.
    """
    x, y = grid(n)
    a, b, c = 1.3, 0.7, -0.9
    w = a * (2 * x).cos() + b * (3 * y).cos() + c * (2 * x).sin() * (3 * y).sin()
    gain = 5 / 24 * a * b * c
    flux = enstrophy_flux(w[None])[0]
    expected = torch.zeros_like(flux)
    expected[2], expected[3] = -16 / 65 * gain, gain
    assert torch.allclose(flux, expected, atol=1e-12)


@pytest.mark.parametrize("n", [5, 8, 11])
def test_no_aliasing_enters_the_flux(n: int) -> None:
    """Advection conserves enstrophy and energy: ``<w N> = <psi N> = 0``."""
    w = torch.randn(4, n, n, dtype=torch.float64)
    if n % 2 == 0:
        hat = torch.fft.fft2(w)
        hat[..., n // 2, :], hat[..., :, n // 2] = 0, 0
        w = torch.fft.ifft2(hat).real
    flux = enstrophy_flux(w)
    assert (flux[:, -1] / flux.abs().amax(1)).abs().max() < 1e-12
    assert flux[:, 0].abs().max() < 1e-12
    # Of one wave there is nothing to advect.
    wave = (2 * grid(n)[0] + grid(n)[1]).cos()
    assert enstrophy_flux(wave[None]).abs().max() < 1e-12


def test_the_flux_is_positive_where_enstrophy_goes_to_small_scales() -> None:
    """A step along ``-u . grad w`` raises the small scales where Pi is positive."""
    w = torch.randn(1, 15, 15, dtype=torch.float64)
    kx, ky = wavenumbers(15)
    low = (kx.square() + ky.square()).sqrt() < 3.5
    hat = torch.fft.fft2(w)
    hat[..., kx.abs().flatten() > 3, :], hat[..., :, ky.abs().flatten() > 3] = 0, 0
    w = torch.fft.ifft2(hat).real
    u = velocity(w)
    slopes = torch.fft.ifft2(torch.stack([1j * kx * hat, 1j * ky * hat], 1)).real
    dt = 1e-6
    # Of modes up to 3, products go up to 6: a grid of 15 points holds them.
    after = w - dt * (u * slopes).sum(1)
    gained = [
        torch.fft.ifft2(torch.fft.fft2(field) * low).real.square().mean() for field in (w, after)
    ]
    lost = (gained[0] - gained[1]) / dt / 2
    assert enstrophy_flux(w)[0, 3].item() == pytest.approx(lost.item(), rel=1e-4)


def test_the_spectrum_and_the_flux_of_a_turned_field() -> None:
    w = torch.randn(3, 9, 9, dtype=torch.float64)
    for turned in (w.rot90(1, (1, 2)), w.roll((2, 5), (1, 2)), -w.transpose(1, 2)):
        assert torch.allclose(spectrum(turned), spectrum(w))
        assert torch.allclose(enstrophy_flux(turned), enstrophy_flux(w))


def test_a_histogram_is_a_density() -> None:
    values, edges = torch.rand(3, 1000), torch.linspace(0, 1, 6)
    density = histogram(values, edges)
    assert torch.allclose((density * 0.2).sum(1), torch.ones(3, dtype=torch.float64))
    assert density[0, 1] == pytest.approx(((values[0] >= 0.2) & (values[0] < 0.4)).sum() / 200)
    assert histogram(values + 0.5, edges).sum(1).mul(0.2).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("n", "expected"), [(9, (1, 2, 3)), (17, (1, 2, 4)), (64, (1, 8, 16))])
def test_three_distances_differ(n: int, expected: tuple[int, int, int]) -> None:
    assert separations(n) == expected
