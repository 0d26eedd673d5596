"""Networks on the periodic square: translations, resampling, and fields without divergence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from properties import disturb

from genlab.nn import GridNet, ResidualConvNet, SpectralNet, UNet
from genlab.nn.conv import ConvNet
from genlab.nn.solenoidal import StreamFunction
from genlab.nn.waves import SpectralFilter, SpectralResize, Waves


def shifted(x: torch.Tensor, by: tuple[float, float]) -> torch.Tensor:
    """A field of an odd side, moved by parts of a point: by the phases of its modes."""
    side = x.shape[-1]
    k = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64)
    phase = torch.exp(-2j * torch.pi / side * (k[:, None] * by[0] + k * by[1]))
    return torch.fft.ifft2(torch.fft.fft2(x) * phase).real


def field(side: int, channels: int = 1, n: int = 2) -> torch.Tensor:
    return torch.randn(n, channels, side, side, dtype=torch.float64)


@pytest.mark.parametrize("side", [5, 8, 9])
def test_waves_are_those_of_the_fft(side: int) -> None:
    waves, x = Waves(side, modes=(side - 1) // 2, unit=side).double(), field(side, 2)
    coefficients = waves.coefficients(x)
    truth = torch.fft.fft2(x, norm="ortho")
    cosines, sines = coefficients[1, 2, :, :2], coefficients[1, 2, :, 2:4]
    # cos x cos 2y and cos x sin 2y are made of the modes (1, +-2) and their conjugates.
    one, other = truth[..., 1, 2], truth[..., 1, -2]
    torch.testing.assert_close(cosines, (one + other).real)
    torch.testing.assert_close(sines, -(one - other).imag)
    torch.testing.assert_close(coefficients[0, 0, :, :2], truth[..., 0, 0].real)
    if side % 2:
        torch.testing.assert_close(waves.fields(coefficients), x)
        torch.testing.assert_close(coefficients.square().sum(), x.square().sum())


def test_a_wave_has_one_coefficient_on_every_grid() -> None:
    fine, coarse = (Waves(side, modes=2, unit=7).double() for side in (11, 5))
    x = coarse.fields(fine.coefficients(field(11)))
    torch.testing.assert_close(fine.fields(coarse.coefficients(x)).mean((2, 3)), x.mean((2, 3)))
    torch.testing.assert_close(coarse.fields(coarse.coefficients(x)), x)


def test_a_filter_with_one_mode_is_that_convolution() -> None:
    waves, layer = Waves(7, modes=3, unit=7).double(), SpectralFilter(1, 1, modes=3).double()
    impulse = torch.zeros(1, 1, 7, 7, dtype=torch.float64)
    impulse[..., 0, 0] = 1

    def through(x: torch.Tensor) -> torch.Tensor:
        return waves.fields(layer(waves.coefficients(x)))

    kernel, x = through(impulse), field(7)
    truth = torch.fft.ifft2(torch.fft.fft2(kernel) * torch.fft.fft2(x)).real
    torch.testing.assert_close(through(x), truth)


@pytest.mark.parametrize(("side", "new"), [(17, 9), (9, 17), (11, 7), (8, 5), (5, 8), (3, 3)])
def test_resampling_keeps_waves_and_commutes_with_every_translation(side: int, new: int) -> None:
    resize, by = SpectralResize((side, side), (new, new)).double(), (0.3, -1.7)
    place = torch.arange(side).double() * (2 * torch.pi / side)
    there = torch.arange(new).double() * (2 * torch.pi / new)
    wave, same = (1 + torch.sin(p - 0.4)[:, None] * torch.cos(p) for p in (place, there))
    torch.testing.assert_close(resize(wave[None, None])[0, 0], same)
    if side % 2 and new % 2:
        x, part = field(side), new / side
        moved = shifted(resize(x), (by[0] * part, by[1] * part))
        torch.testing.assert_close(resize(shifted(x, by)), moved)


Make = Callable[..., torch.nn.Module]
NETWORKS: dict[str, Make] = {
    "residual_conv": partial(ResidualConvNet, width=4, blocks=2, embedding=8),
    "spectral": partial(SpectralNet, width=3, blocks=2, embedding=8),
    "spectral-low": partial(SpectralNet, width=3, blocks=1, modes=2, embedding=8),
    "spectral-silu": partial(SpectralNet, width=3, activation="silu", embedding=8),
}


@pytest.mark.parametrize("side", [5, 11, 17])
@pytest.mark.parametrize("name", NETWORKS)
def test_velocities_commute_with_translations(name: str, side: int) -> None:
    network = disturb(NETWORKS[name]((1, side, side), context_dim=1)).double()
    x, t, c = field(side), torch.rand(2).double(), torch.randn(2, 1).double()
    v, by = network(x, t, c), (2, -1)
    moved = network(x.roll(by, (2, 3)), t, c)
    # What is beyond a grid of 3/2 as many points folds back.
    tolerance = 0.2 * v.std().item() if name == "spectral-silu" else 1e-10
    torch.testing.assert_close(moved, v.roll(by, (2, 3)), atol=tolerance, rtol=0)


def test_products_of_waves_commute_with_translations_by_parts_of_a_point() -> None:
    network = disturb(SpectralNet((1, 9, 9), width=3, blocks=1, embedding=8)).double()
    x, t, by = field(9), torch.rand(2).double(), (0.4, 2.7)
    torch.testing.assert_close(network(shifted(x, by), t), shifted(network(x, t), by))


@torch.no_grad()
def test_a_spectral_net_can_be_the_right_hand_side_of_a_fluid() -> None:
    """``-u . grad w``, cut off without aliasing: its filters are derivatives."""
    side, fine = 7, 13
    network = SpectralNet((1, side, side), width=2, blocks=1, modes=3, embedding=4).double()
    for parameter in network.parameters():
        parameter.zero_()
    network.first.weight[0] = 1
    block, k = network.blocks[0], torch.arange(4).double()
    square = k[:, None].square() + k.square()
    inverse = torch.where(square > 0, 1 / square, 0.0)
    # Of (1, J_y, J_x, J_x J_y): d/dx is -k_x J_x; u and v, then the gradient of w.
    weight = block.filter.weight.view(4, 4, 2, 4, 4)
    weight[:, :, 0, 0, 1] = -k * inverse
    weight[:, :, 0, 1, 2] = k[:, None] * inverse
    weight[:, :, 0, 2, 2] = -k[:, None].expand(4, 4)
    weight[:, :, 0, 3, 1] = -k
    block.mix.weight[1] = 1
    network.last.pointwise.weight[0, 1] = -1

    modes = torch.fft.fftfreq(fine, 1 / fine, dtype=torch.float64)

    def along(x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        return torch.fft.ifft2(torch.fft.fft2(x) * factor).real

    w = 1e-4 * field(side)  # so small that it is not held back
    large = SpectralResize((side, side), (fine, fine)).double()(w)
    d_x, d_y = 1j * modes[:, None], 1j * modes
    square = modes[:, None].square() + modes.square()
    psi = along(large, torch.where(square > 0, 1 / square, 0.0))
    rate = along(psi, d_x) * along(large, d_y) - along(psi, d_y) * along(large, d_x)
    truth = SpectralResize((fine, fine), (side, side)).double()(rate)
    torch.testing.assert_close(network(w, torch.tensor(0.0).double()), truth, rtol=1e-6, atol=0)


@pytest.mark.parametrize("side", [5, 11, 17, 33])
def test_a_periodic_unet_works_on_odd_sides(side: int) -> None:
    shape = (2, side, side)
    network = disturb(UNet(shape, channels=[4, 4, 4], padding="circular", embedding=8)).double()
    x, t = field(side, 2), torch.rand(2).double()
    assert network(x, t).shape == x.shape
    # A constant field has no place.
    v = network(torch.ones_like(x), t)
    torch.testing.assert_close(v, v[..., :1, :1].expand_as(v), atol=1e-6, rtol=0)


def test_a_grid_net_sees_the_passing_numbers_alone_where_they_are() -> None:
    seen, asked = [0, 2, 4, 6, 8], [1, 3, 5, 7]
    options = {"hidden": [8], "activation": "tanh", "padding": "circular"}
    network = GridNet((1, 3, 3), seen, asked, 2, **options).double()
    x = torch.randn(4, 5).double()
    array = torch.zeros(4, 2, 9).double()
    array[:, 0, seen], array[:, 1, seen] = x, 1
    inner = network.network
    assert isinstance(inner, ConvNet)
    truth = inner(array.view(4, 2, 3, 3)).flatten(2)[:, :, asked]
    torch.testing.assert_close(network(x), truth.flatten(1))


@pytest.mark.parametrize("side", [5, 8])
def test_a_stream_function_leaves_no_divergence_and_is_the_nearest(side: int) -> None:
    project, u = StreamFunction(side).double(), field(side, 2)
    inside = project(u)
    k = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64)
    modes = torch.fft.fft2(inside)
    divergence = k[:, None] * modes[:, 0] + k * modes[:, 1]
    assert divergence.abs().max() < 1e-10
    torch.testing.assert_close(project(inside), inside)
    assert ((u - inside) * inside).sum().abs() < 1e-10
    x, y = torch.meshgrid(*[torch.arange(side).double() * (2 * torch.pi / side)] * 2, indexing="ij")
    # psi = sin x cos 2y: u = (d psi/dy, -d psi/dx).
    known = torch.stack((-2 * x.sin() * (2 * y).sin(), -x.cos() * (2 * y).cos()))[None]
    torch.testing.assert_close(project(known), known)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"square fields, not on .*`ResidualConvNet`"):
        SpectralNet((1, 4, 6))
    with pytest.raises(ValueError, match=r"network=conv: expected samples .* got \[4\]; use mlp"):
        GridNet((4,), [0], [1], 1, hidden=[4], activation="relu")
