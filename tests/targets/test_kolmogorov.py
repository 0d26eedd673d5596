"""Kolmogorov flow: stationary, symmetric, and split by trajectory."""

from __future__ import annotations

import pytest
import torch

from genlab.errors import ArgumentError
from genlab.targets import Kolmogorov


def small(**options: object) -> Kolmogorov:
    settings = {"forced_wavenumber": 2, "drag": 0.5, "viscosity": 0.01, "snapshots": 4}
    return Kolmogorov(8, **{**settings, **options})


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shapes_and_types() -> None:
    target = small()
    for n in (0, 1, 5):
        x = target.sample(n, generator=generator(0))
        assert (x.shape, x.dtype) == ((n, 1, 8, 8), torch.float32)
    assert torch.equal(target.sample(5, generator=generator(0)), x)
    assert (target.has_density, target.entropy) == (False, None)


def test_an_even_grid_shows_no_mode_that_has_no_sign() -> None:
    x = small().sample(8, generator=generator(0)).double()[:, 0]
    modes = torch.fft.fft2(x, norm="ortho").abs()
    assert modes[:, 4].max() < 1e-5 > modes[:, :, 4].max()
    assert modes[:, 0, 0].max() < 1e-5  # nothing makes mean vorticity


def test_trajectories_have_forgotten_their_start_and_stay_as_they_are() -> None:
    """What drag and viscosity take is what the force gives, on average."""
    k, drag, viscosity = 3, 0.1, 5e-3
    target = Kolmogorov(16, viscosity=viscosity, drag=drag, forced_wavenumber=k, snapshots=8)
    flow = target.flow
    x = target.sample(192, generator=generator(1)).double()[:, 0]
    # u for the power of the force, chi <u sin(k y)>, from an odd grid's state.
    odd = flow.transform(x)
    u, v = flow.speeds(odd)
    y = 2 * torch.pi * torch.arange(u.shape[-1], dtype=torch.float64) / u.shape[-1]
    given = (u * (k * y).sin()).mean((1, 2))
    square = (u.square() + v.square()).mean((1, 2))
    taken = drag * square + viscosity * x.square().mean((1, 2))
    excess = (given - taken).view(24, 8).mean(1)  # the error is that of trajectories
    assert excess.mean().abs() < 4 * excess.std() / 24**0.5
    assert excess.std() < 0.2 * given.mean()
    assert x.std(0).min() > 0.5 * x.std()  # turbulent, and not the laminar flow
    energy = square.view(24, 8).mean(0)
    assert (energy[:3].mean() / energy[-3:].mean()).log().abs() < 0.1


def test_chunks_hold_whole_trajectories() -> None:
    target = small()
    assert target.chunk % target.snapshots == 0
    train, test = (target.kept(purpose, 8, seed=0).x for purpose in ("train", "test"))
    assert not torch.isin(train, test).any()


def test_a_force_that_the_grid_does_not_hold_is_refused() -> None:
    with pytest.raises(ArgumentError, match="forced_wavenumber=4"):
        Kolmogorov(8)


def test_a_strong_force_is_followed() -> None:
    x = small(forcing=100.0, forced_wavenumber=1, drag=1.0).sample(8, generator=generator(0))
    assert x.isfinite().all()
