"""The right-hand side of Navier-Stokes: divergence, what it conserves, exact flows, symmetries."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genlab.errors import ArgumentError
from genlab.fields import NavierStokes, advance, squared_wavenumber, wavenumbers


def some_fields(n: int, rows: int = 4) -> Tensor:
    return 3 * torch.randn(rows, n, n, dtype=torch.float64)


def rate_of(flow: NavierStokes, w: Tensor) -> Tensor:
    return flow.restore(flow.rate(flow.transform(w)))


def grid(n: int) -> tuple[Tensor, Tensor]:
    x = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    return x[:, None].expand(n, n), x.expand(n, n)


def stream_function(w: Tensor) -> Tensor:
    k2 = squared_wavenumber(w.shape[-1])
    return torch.fft.ifft2(torch.fft.fft2(w) / k2.where(k2 > 0, math.inf)).real


def advection_by_sums(w: Tensor) -> Tensor:
    """``N^_k = sum_{p + q = k} (q x p) / |p|^2 w^_p w^_q`` over the modes that there are."""
    n = w.shape[-1]
    cutoff = (n - 1) // 2
    modes = torch.fft.fft2(w, norm="forward")
    every = range(-cutoff, cutoff + 1)
    result = torch.zeros_like(modes)
    for px in every:
        for py in every:
            for qx in every:
                for qy in every:
                    kx, ky = px + qx, py + qy
                    if (px, py) != (0, 0) and max(abs(kx), abs(ky)) <= cutoff:
                        turn = (qx * py - qy * px) / (px * px + py * py)
                        result[..., kx, ky] += turn * modes[..., px, py] * modes[..., qx, qy]
    return torch.fft.ifft2(result, norm="forward").real


@pytest.mark.parametrize("n", [7, 9, 11])
def test_the_divergence_is_a_constant(n: int) -> None:
    flow = NavierStokes(n, viscosity=0.01)
    jacobian = torch.autograd.functional.jacobian(
        lambda w: rate_of(flow, w), some_fields(n, rows=1)
    ).view(n * n, n * n)
    exact = -0.01 * squared_wavenumber(n).sum()
    torch.testing.assert_close(jacobian.trace(), exact, rtol=0, atol=1e-10)
    assert flow.divergence == pytest.approx(float(exact), rel=1e-14)


def test_drag_adds_to_the_divergence() -> None:
    flow = NavierStokes(7, viscosity=0.01, drag=0.1, forcing=1.0, forced_wavenumber=2)
    jacobian = torch.autograd.functional.jacobian(
        lambda w: rate_of(flow, w), some_fields(7, rows=1)
    ).view(49, 49)
    assert flow.divergence == pytest.approx(float(jacobian.trace()), abs=1e-10)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_advection_is_the_sum_over_triads(n: int) -> None:
    w = some_fields(n)
    torch.testing.assert_close(
        rate_of(NavierStokes(n, viscosity=0.0), w), advection_by_sums(w), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("n", [5, 17, 33, 63])
def test_advection_conserves_energy_and_enstrophy(n: int) -> None:
    """The only check that sees aliasing: the divergence does not."""
    w = some_fields(n)
    rate = rate_of(NavierStokes(n, viscosity=0.0), w)
    for conserved in (w, stream_function(w)):
        product = conserved * rate
        size = conserved.square().sum((1, 2)).sqrt() * rate.square().sum((1, 2)).sqrt()
        assert (product.sum((1, 2)).abs() < 1e-12 * size).all()


def test_taylor_green_vortices_decay_at_their_rate() -> None:
    n, k, viscosity = 17, 3, 0.05
    x, y = grid(n)
    w = 2 * k * (k * x).cos() * (k * y).cos()
    end = advance(NavierStokes(n, viscosity=viscosity), w[None], 1.0, steps=200)
    torch.testing.assert_close(end[0], math.exp(-2 * viscosity * k**2) * w, rtol=0, atol=1e-9)


def test_energy_and_enstrophy_decay_at_their_rates() -> None:
    n, viscosity = 33, 0.02
    w = some_fields(n)
    rate = rate_of(NavierStokes(n, viscosity=viscosity), w)
    psi, fluctuation = stream_function(w), w - w.mean((1, 2), keepdim=True)
    # E = <psi w> / 2 and Z = <(w - mean)^2> / 2, so dE/dt = <psi w_t>, dZ/dt = <(w - mean) w_t>.
    torch.testing.assert_close(
        (psi * rate).mean((1, 2)), -viscosity * fluctuation.square().mean((1, 2))
    )
    kx, ky = wavenumbers(n)
    modes = torch.fft.fft2(w, norm="forward")
    gradient = ((kx.square() + ky.square()) * modes.abs().square()).sum((1, 2))
    torch.testing.assert_close((fluctuation * rate).mean((1, 2)), -viscosity * gradient)


def test_the_laminar_kolmogorov_flow_stands_still() -> None:
    n, viscosity, drag, chi, k = 17, 0.01, 0.1, 1.0, 4
    flow = NavierStokes(n, viscosity=viscosity, drag=drag, forcing=chi, forced_wavenumber=k)
    _, y = grid(n)
    w = -chi * k / (viscosity * k**2 + drag) * (k * y).cos()
    assert rate_of(flow, w[None]).abs().max() < 1e-12


def shifted(w: Tensor, dx: float, dy: float) -> Tensor:
    kx, ky = wavenumbers(w.shape[-1])
    return torch.fft.ifft2(torch.fft.fft2(w) * torch.exp(-1j * (kx * dx + ky * dy))).real


def flipped(w: Tensor, *axes: int) -> Tensor:
    """The field at ``-x``: point 0 stays where it is."""
    return w.flip(axes).roll([1] * len(axes), axes)


def rotated(w: Tensor) -> Tensor:
    return flipped(w, -2).mT


@pytest.mark.parametrize(
    ("symmetry", "holds"),
    [
        (lambda w: shifted(w, 0.3, -1.7), True),
        (rotated, True),
        (lambda w: flipped(w, -2, -1), True),
        (lambda w: -flipped(w, -1), True),
        (lambda w: -flipped(w, -2), True),
        (lambda w: -w.mT, True),
        (lambda w: flipped(w, -1), False),
        (lambda w: w.mT, False),
        (lambda w: -w, False),
    ],
)
def test_equivariance(symmetry: Callable[[Tensor], Tensor], holds: bool) -> None:
    flow = NavierStokes(17, viscosity=1e-3)
    w = some_fields(17)
    before, after = rate_of(flow, symmetry(w)), symmetry(rate_of(flow, w))
    error = (before - after).abs().max() / after.abs().max()
    assert error < 1e-12 if holds else error > 0.1


def test_fields_on_a_finer_grid_have_the_same_modes() -> None:
    flow = NavierStokes(7, viscosity=1e-3)
    w = some_fields(7)
    fine = flow.restore(flow.transform(w), 12)
    torch.testing.assert_close(flow.restore(flow.transform(fine)), w)
    modes = torch.fft.fft2(fine, norm="forward")
    torch.testing.assert_close(
        modes[:, :4, :4], torch.fft.fft2(w, norm="forward")[:, :4, :4], rtol=0, atol=1e-12
    )


def test_an_even_size_is_refused_with_its_neighbours() -> None:
    with pytest.raises(ArgumentError, match=r"size=16: .* the nearest are 15 and 17"):
        NavierStokes(16, viscosity=0.0)


def test_a_force_beyond_the_cutoff_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"forced_wavenumber=4: expected at most .* 3"):
        NavierStokes(7, viscosity=0.0, forcing=1.0)
