"""Symmetries of laws: orthogonal, exact between the points, and those of the flow."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genlab.fields import KOLMOGOROV, SQUARE, NavierStokes, Symmetries, wavenumbers
from genlab.fields.symmetries import Motion

N = 9


def waves(n: int) -> tuple[Tensor, Tensor]:
    x = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    return x[:, None], x[None]


def rate_of(flow: NavierStokes, w: Tensor) -> Tensor:
    return flow.restore(flow.rate(flow.transform(w[:, 0])))[:, None]


def test_a_square_has_eight_motions_half_of_them_reflections() -> None:
    assert len(set(SQUARE)) == 8
    assert sum(motion.sign for motion in SQUARE) == 0


@pytest.mark.parametrize("motion", SQUARE)
def test_each_motion_of_the_square_commutes_with_the_flow(motion: Motion) -> None:
    flow, w = NavierStokes(N, viscosity=0.01), torch.randn(3, 1, N, N, dtype=torch.float64)
    symmetries, chance = Symmetries([motion]), torch.rand(3, 3)
    before = symmetries.moved(rate_of(flow, w), chance)
    after = rate_of(flow, symmetries.moved(w, chance))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("motion", KOLMOGOROV)
def test_each_motion_of_kolmogorov_flow_commutes_with_it(motion: Motion) -> None:
    k = 2
    flow = NavierStokes(N, viscosity=0.01, drag=0.1, forcing=1.0, forced_wavenumber=k)
    w = torch.randn(8, 1, N, N, dtype=torch.float64)
    symmetries, chance = Symmetries([motion], periods=k), torch.rand(8, 3)
    before = symmetries.moved(rate_of(flow, w), chance)
    after = rate_of(flow, symmetries.moved(w, chance))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


def test_other_motions_do_not_commute_with_a_forced_flow() -> None:
    flow = NavierStokes(N, viscosity=0.01, drag=0.1, forcing=1.0, forced_wavenumber=2)
    w, still = torch.randn(1, 1, N, N, dtype=torch.float64), torch.zeros(1, 3)
    for motion in set(SQUARE) - set(KOLMOGOROV):
        symmetries = Symmetries([motion])
        before = symmetries.moved(rate_of(flow, w), still)
        assert (rate_of(flow, symmetries.moved(w, still)) - before).abs().max() > 0.1
    shifted = Symmetries([Motion()])
    chance = torch.tensor([[0.0, 0.0, 0.3]])
    before = shifted.moved(rate_of(flow, w), chance)
    assert (rate_of(flow, shifted.moved(w, chance)) - before).abs().max() > 0.1


@pytest.mark.parametrize("n", [8, 9])
def test_shifts_are_exact_between_the_points(n: int) -> None:
    x, y = waves(n)
    chance = torch.tensor([[0.0, 0.13, 0.71]])
    dx, dy = 2 * math.pi * 0.13, 2 * math.pi * 0.71
    w = ((2 * x - y).cos() + (3 * y).sin() + 0.5)[None, None]
    moved = Symmetries([Motion()]).moved(w, chance)
    exact = (2 * (x - dx) - (y - dy)).cos() + (3 * (y - dy)).sin() + 0.5
    torch.testing.assert_close(moved[0, 0], exact, rtol=0, atol=1e-6)


def test_each_field_is_moved_by_its_own_chance() -> None:
    symmetries, chance = Symmetries(SQUARE), torch.rand(64, 3)
    w = torch.randn(64, 1, N, N, dtype=torch.float64)
    together = symmetries.moved(w, chance)
    alone = torch.cat([symmetries.moved(w[i : i + 1], chance[i : i + 1]) for i in range(64)])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together.square().sum((1, 2, 3)), w.square().sum((1, 2, 3)))
    kx, ky = wavenumbers(N)
    orbit = torch.maximum(kx.abs(), ky.abs()) * N + torch.minimum(kx.abs(), ky.abs())
    before, after = (torch.fft.fft2(field).abs().square()[:, 0] for field in (w, together))
    for one in orbit.unique():
        inside = orbit == one
        torch.testing.assert_close(after[:, inside].sum(1), before[:, inside].sum(1))
