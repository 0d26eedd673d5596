"""Polygons: inside and outside, areas, levels of lines that are not convex, and what is refused."""

from __future__ import annotations

import math
import random

import pytest
import torch
from matplotlib.path import Path
from torch import Tensor

from genlab.errors import UserError
from genlab.pde import Box, Grid, LShape, Polygon, WholeBoundary

COMB = [(0, 0), (7, 0), (7, 3), (6, 3), (6, 1), (5, 1), (5, 3), (2, 3), (2, 1), (1, 1), (1, 3)]
SPIRAL = [(0, 0), (5, 0), (5, 5), (1, 5), (1, 2), (3, 2), (3, 3), (2, 3), (2, 4), (4, 4), (4, 1)]


def points(n: int, low: float, high: float) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return Box([(low, high)] * 2).sample(n, generator=draw, dtype=torch.float64)


def star(seed: int) -> list[tuple[float, float]]:
    """The corners of a polygon that is rarely convex."""
    number = random.Random(seed)
    n = number.randint(5, 20)
    angles = [2 * math.pi * (k + 0.9 * number.random()) / n for k in range(n)]
    radii = [number.uniform(0.2, 1.0) for _ in angles]
    corners = [(r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, angles, strict=True)]
    return corners[:: number.choice([1, -1])]


@pytest.mark.parametrize("seed", range(10))
def test_inside_and_level_of_any_polygon(seed: int) -> None:
    corners = star(seed)
    polygon, x = Polygon(corners), points(4000, -1.1, 1.1)
    inside = torch.from_numpy(Path([*corners, corners[0]], closed=True).contains_points(x.numpy()))
    assert torch.equal(polygon.contains(x), inside)
    assert torch.equal(polygon.interior(x), inside)
    assert torch.equal(polygon.level(x) > 0, inside)
    edge = WholeBoundary(polygon).sample(1000, generator=None, dtype=torch.float64)
    assert float(polygon.level(edge).abs().max()) < 1e-14


@pytest.mark.parametrize("corners", [COMB, SPIRAL, [*SPIRAL[:2], (5, 2), *SPIRAL[2:]]])
def test_the_level_vanishes_on_no_line_through_sides(corners: list[tuple[float, float]]) -> None:
    polygon = Polygon(corners)
    axis = torch.arange(-1, 8.25, 0.25, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    inside, level = polygon.interior(x), polygon.level(x)
    edge = polygon.contains(x) & ~inside
    assert float(level[inside].min()) > 0.01
    assert float(level[edge].abs().max()) < 1e-14
    assert float(level[~inside & ~edge].max()) < -0.01


@pytest.mark.parametrize("corners", [COMB, SPIRAL, star(3)])
def test_where_a_polygon_begins_and_which_way_it_goes_does_not_matter(
    corners: list[tuple[float, float]],
) -> None:
    x = points(500, -1, 8)
    one = Polygon(corners)
    for other in (Polygon(corners[::-1]), Polygon([*corners[3:], *corners[:3]])):
        assert other.volume == pytest.approx(one.volume, rel=1e-14)
        assert torch.equal(other.contains(x), one.contains(x))
        edge = WholeBoundary(one).sample(500, generator=None, dtype=torch.float64)
        normals = (WholeBoundary(polygon).normal(edge) for polygon in (one, other))
        torch.testing.assert_close(*normals)


def test_the_l_is_a_square_without_its_quarter_with_all_its_edge() -> None:
    x = Grid(Box([(-1.5, 1.5)] * 2), 49).x
    square = (x.abs() <= 1).all(1)
    quarter = (x[:, 0] > 0) & (x[:, 1] < 0)
    assert torch.equal(LShape().contains(x), square & ~quarter)
    assert torch.equal(LShape().contains(x.float()), square & ~quarter)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([(0, 0), (1, 1)], r"corners: expected at least 3 points \[x, y\] of the plane"),
        ([(0, 0, 0), (1, 0, 0), (0, 1, 0)], "corners: expected at least 3 points"),
        ([(0, 0), (1, 1), (3, 3)], "corners: the line through them encloses no area"),
        ([(0, 0), (1, 0), (3, 0)], "corners: the line through them encloses no area"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "encloses no area; check their order"),
        ([(0, 0), (2, 2), (2, 0), (0, 1)], "corners: the sides after corners 1 and 3 meet"),
        ([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)], "after corners 1 and 3 meet"),
        ([(0, 0), (2, 0), (2, 2), (2, 1), (0, 2)], "after corners 2 and 3 meet"),
        ([(0, 0), (2, 0), (2, 0), (2, 1), (0, 2)], "after corners 1 and 3 meet"),
        ([(0, 0), (2, 0), (2, math.nan)], "corners: expected finite numbers"),
    ],
)
def test_what_is_no_polygon(corners: list[tuple[float, ...]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Polygon(corners)
