"""Domains: their volume, and points that are uniform on them."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.errors import UserError
from genlab.pde import Box, Disk, Domain, Grid, IndicatorDomain, LShape, grid_divergence

DOMAINS = {
    "box": (Box([(-1, 2), (0, 0.5)]), 1.5),
    "ten dimensions": (Box([(-1, 1)] * 10), 1024.0),
    "disk": (Disk(center=(0.5, 0.0), radius=2.0), 4 * math.pi),
    "L": (LShape(), 3.0),
    "indicator": (IndicatorDomain([(-1, 1)] * 2, lambda x: x.norm(dim=1) < 1), math.pi),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_volume_and_samples(name: str) -> None:
    domain, volume = DOMAINS[name]
    assert domain.volume == pytest.approx(volume, rel=1e-3)
    assert domain.log_uniform == pytest.approx(-math.log(domain.volume))
    x = domain.sample(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert x.shape == (20_000, domain.dim)
    assert x.dtype == torch.float64
    assert bool(domain.contains(x).all())
    # Uniform: the mean of the first coordinate is the centre of mass, here known by symmetry.
    low, high = domain.box[0]
    centre = -1 / 6 if name == "L" else (low + high) / 2
    assert x[:, 0].mean().item() == pytest.approx(centre, abs=4 * (high - low) / 20_000**0.5)


def test_the_same_generator_gives_the_same_points() -> None:
    one, other = (Disk().sample(50, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other)


def test_a_grid_goes_row_by_row_along_the_last_coordinate() -> None:
    grid = Grid(Box([(0, 1), (2, 4)]), 3)
    assert grid.x[:4].tolist() == [[0, 2], [0, 3], [0, 4], [0.5, 2]]


def test_a_grid_keeps_to_the_domain_and_sums_over_it() -> None:
    grid = Grid(LShape(), 200, centred=True)
    first = grid.x[:, 0]
    field = grid.field(first)
    assert field.isnan().sum() == 200**2 / 4
    assert field[10, 0].item() == field[10, 199].item() == pytest.approx(-0.895)
    # The centre of mass of the L lies at x = -1/6.
    assert (2 + first).sum().item() * grid.cell == pytest.approx(5.5)
    grid = Grid(Box([(0, 1), (0, 1)]), 400, centred=True)
    density = grid.normalised(grid.x[:, 0])  # 2 x
    divergence = grid_divergence(grid.field(density), grid.field(torch.ones_like(density)))
    assert divergence == pytest.approx(math.log(2) - 0.5, abs=1e-5)


def empty() -> Domain:
    return IndicatorDomain([(0, 1), (0, 1)], lambda x: x[:, 0] > 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box([(0, 1), (2, 2)]), r"box: expected low < high, got \[2, 2\]"),
        (empty, "its indicator holds on 0 of the box"),
    ],
)
def test_what_is_no_domain(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
