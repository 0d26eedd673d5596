"""Domains made of others: volumes by closed forms, boundaries and normals by Gauss's theorem."""

from __future__ import annotations

import math
import random
from functools import cache, reduce

import pytest
import torch
from scipy import stats
from torch import Tensor

from genlab.errors import UserError
from genlab.pde import (
    Ball,
    Boundary,
    Box,
    Cylinder,
    CylinderBoundary,
    Disk,
    Domain,
    Faces,
    IndicatorDomain,
    LShape,
    Polygon,
    WholeBoundary,
)

PI = math.pi
SQUARE = Box([(-1, 1)] * 2)
LEFT, RIGHT = Box([(0, 1), (0, 1)]), Box([(1, 2), (0, 1)])
BALL, CUBE = Ball(center=(0.0, 0.0, 0.0)), Box([(-1, 1)] * 3)


def lens(r: float, s: float, d: float) -> tuple[float, float]:
    """What two circles at a distance have in common: area and length of its boundary."""
    a, b = (
        math.acos((d**2 + r**2 - s**2) / (2 * d * r)),
        math.acos((d**2 + s**2 - r**2) / (2 * d * s)),
    )
    kite = d * r * math.sin(a)
    return r**2 * a + s**2 * b - kite, 2 * (r * a + s * b)


# Each with its area or volume, and the length or area of its boundary.
PLANE: dict[str, tuple[Domain, float, float]] = {
    "box": (SQUARE, 4, 8),
    "disk": (Disk(center=(0.5, 0.0), radius=2.0), 4 * PI, 4 * PI),
    "triangle": (Polygon([(0, 0), (0, 3), (4, 0)]), 6, 12),
    "L": (LShape(), 3, 8),
    "L of two boxes": (Box([(-1, 1), (0, 1)]) | Box([(-1, 0), (-1, 1)]), 3, 8),
    "L as a difference": (SQUARE - Box([(0, 2), (-2, 0)]), 3, 8),
    "lens": (Disk() & Disk(center=(1.0, 0.3), radius=0.8), *lens(1, 0.8, math.hypot(1, 0.3))),
    "annulus": (Disk(radius=2.0) - Disk(), 3 * PI, 6 * PI),
    "box minus disk": (SQUARE - Disk(radius=0.5), 4 - PI / 4, 8 + PI),
    "box minus the disk that touches it": (SQUARE - Disk(), 4 - PI, 8 + 2 * PI),
    "boxes that share a side": (LEFT | RIGHT, 2, 6),
    "boxes that share part of a side": (LEFT | Box([(1, 2), (0.5, 2)]), 2.5, 8),
    "triangles that share a side": (
        Polygon([(0, 0), (1, 0), (1, 1)]) | Polygon([(1, 1), (0, 0), (0, 1)]),
        1,
        4,
    ),
    "apart": (LEFT | Disk(center=(3.0, 0.0)), 1 + PI, 4 + 2 * PI),
    "half a disk": (Disk() - Box([(-2, 0), (-2, 2)]), PI / 2, PI + 2),
    "twice the same": (Disk() | Disk(), PI, 2 * PI),
    "a box less a side": (Box([(0, 2), (0, 1)]) - RIGHT, 1, 4),
    "a hole with an island": (Disk(radius=3.0) - Disk(radius=2.0) | Disk(), 6 * PI, 12 * PI),
    "three parts": ((SQUARE - Disk(radius=0.5)) & Box([(0, 2), (0, 2)]), 1 - PI / 16, 3 + PI / 4),
    "disk and triangle": (
        Disk() & Polygon([(0, 0), (2, 0), (2, 2)]),
        PI / 8,
        2 + PI / 4,
    ),
}
ELSEWHERE: dict[str, tuple[Domain, float, float]] = {
    "interval": (Box([(0, 2)]), 2, 2),
    "intervals": (Box([(0, 1)]) | Box([(0.5, 2)]), 2, 2),
    "cube": (CUBE, 8, 24),
    "ball": (BALL, 4 * PI / 3, 4 * PI),
    "ball in five dimensions": (Ball(center=(0.0,) * 5), 8 * PI**2 / 15, 8 * PI**2 / 3),
    "cube minus ball": (CUBE - Ball(center=(0.0,) * 3, radius=0.5), 8 - PI / 6, 24 + PI),
    "half a ball": (BALL - Box([(-2, 0), (-2, 2), (-2, 2)]), 2 * PI / 3, 3 * PI),
    "cubes that share a face": (Box([(0, 1)] * 3) | Box([(1, 2), (0, 1), (0, 1)]), 2, 10),
    "cubes that overlap": (Box([(0, 2)] * 3) & Box([(1, 3)] * 3), 1, 6),
}
ALL = PLANE | ELSEWHERE
CYLINDERS: dict[str, tuple[Domain, float, float]] = {
    "cylinder": (Cylinder(Disk(), (1, 3)), 2 * PI, 6 * PI),
    "cylinder of an interval": (Cylinder(Box([(0, 2)]), (0, 3)), 6, 10),
    "cylinder of a lens": (
        Cylinder(PLANE["lens"][0], (0, 2)),
        2 * PLANE["lens"][1],
        2 * (PLANE["lens"][1] + PLANE["lens"][2]),
    ),
}
TOUCHING = {
    "boxes that share a side",
    "boxes that share part of a side",
    "triangles that share a side",
    "cubes that share a face",
}


@cache
def boundary_of(name: str) -> Boundary:
    domain = {**ALL, **CYLINDERS}[name][0]
    if isinstance(domain, Cylinder):
        return CylinderBoundary(domain, ["lateral", "bottom", "top"])
    return WholeBoundary(domain)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def draw(source: Domain | Boundary, n: int) -> Tensor:
    return source.sample(n, generator=generator(), dtype=torch.float64)


@pytest.mark.parametrize("name", {**ALL, **CYLINDERS})
def test_measures(name: str) -> None:
    domain, volume, area = {**ALL, **CYLINDERS}[name]
    boundary = boundary_of(name)
    exact = domain.has_exact_volume
    assert exact or name == "half a ball"
    assert domain.volume == pytest.approx(volume, rel=1e-13 if exact else 1e-3)
    trimmed = domain.has_trimmed_pieces
    assert boundary.measure == pytest.approx(area, rel=1e-2 if trimmed else 1e-13)
    x = draw(domain, 1000)
    assert bool(domain.contains(x).all())
    assert bool(domain.interior(x).all())
    low, high = torch.tensor(domain.box, dtype=torch.float64).unbind(1)
    assert bool(((x >= low) & (x <= high)).all())


@pytest.mark.parametrize("name", PLANE)
def test_the_box_of_a_combination_is_tight(name: str) -> None:
    domain = PLANE[name][0]
    x = draw(WholeBoundary(domain), 20_000)
    found = torch.stack((x.amin(0), x.amax(0)), 1)
    torch.testing.assert_close(
        found, torch.tensor(domain.box, dtype=torch.float64), rtol=0, atol=0.02
    )


@pytest.mark.parametrize("name", {**ALL, **CYLINDERS})
def test_gauss(name: str) -> None:
    # F = (b . x) A x + C x, whose divergence is b . A x + (b . x) tr A + tr C.
    domain, volume, area = {**ALL, **CYLINDERS}[name]
    boundary, n, d = boundary_of(name), 20_000, domain.dim
    A, C, b = torch.randn(2 * d + 1, d, generator=generator(), dtype=torch.float64).split([d, d, 1])
    x, y = draw(boundary, n), draw(domain, n)
    normal = boundary.normal(x)
    torch.testing.assert_close(normal.norm(dim=1), torch.ones_like(x[:, 0]))
    flux = (((x @ b.T) * (x @ A.T) + x @ C.T) * normal).sum(1) * area
    inside = ((y @ A.T) @ b.T).squeeze(1) + (y @ b.T).squeeze(1) * A.trace() + C.trace()
    inside = inside * volume
    error = math.sqrt(float(flux.var() + inside.var()) / n)
    assert abs(float(flux.mean() - inside.mean())) < 4 * error


@pytest.mark.parametrize("name", ALL)
def test_points_lie_on_the_boundary(name: str) -> None:
    domain, _, _ = ALL[name]
    boundary = boundary_of(name)
    x = draw(boundary, 5000)
    assert x.dtype == torch.float64
    leaf_distance = [p.distance(x) for leaf in domain.leaves for p in leaf.pieces]
    assert float(torch.stack(leaf_distance).amin(0).max()) < 1e-12
    # The domain lies on one side only, and the normal points to the other; but at corners.
    step = 1e-6 * boundary.normal(x)
    right = domain.contains(x - step) & ~domain.contains(x + step)
    assert float(right.double().mean()) > 0.999
    # In single precision too.
    y = boundary.sample(5000, generator=generator(), dtype=torch.float32)
    assert boundary.sample(7, generator=generator()).dtype == torch.float32
    agree = (boundary.normal(y) - boundary.normal(y.double())).norm(dim=1) < 1e-5
    assert float(agree.double().mean()) > 0.99


@pytest.mark.parametrize("name", PLANE)
def test_points_are_uniform_by_length(name: str) -> None:
    boundary = WholeBoundary(PLANE[name][0])
    x = draw(boundary, 20_000)
    nearest = torch.stack([piece.distance(x) for piece in boundary.pieces]).argmin(0)
    observed: list[float] = []
    expected: list[float] = []
    for number, piece in enumerate(boundary.pieces):
        share = 20_000 * piece.measure / boundary.measure
        ends = piece.at(torch.tensor([[0.0], [0.5]], dtype=torch.float64))
        # The nearer half of a piece, along a segment as along an arc of at most a half turn.
        if piece.measure == pytest.approx(float((ends[0] - ends[1]).norm() * 2)):
            rows = x[nearest == number]
            first = (rows - ends[0]).norm(dim=1) < piece.measure / 2
            observed += [float(first.sum()), float((~first).sum())]
            expected += [share / 2] * 2
        else:
            observed.append(float((nearest == number).sum()))
            expected.append(share)
    if len(observed) > 1:
        assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_points_of_a_circle_and_a_sphere_are_uniform() -> None:
    x = draw(boundary_of("disk"), 20_000) - torch.tensor([0.5, 0.0], dtype=torch.float64)
    angle = torch.atan2(x[:, 1], x[:, 0]) / (2 * PI) + 0.5
    assert stats.kstest(angle.numpy(), "uniform").pvalue > 1e-3
    # Archimedes: a coordinate of a sphere in space is uniform.
    z = draw(boundary_of("ball"), 20_000)
    for i in range(3):
        assert stats.kstest((z[:, i].numpy() + 1) / 2, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("name", [name for name in ALL if name not in TOUCHING])
def test_normals_against_the_level(name: str) -> None:
    domain, boundary = ALL[name][0], boundary_of(name)
    x = draw(boundary, 2000)
    normal = boundary.normal(x)
    inside = (x - 1e-7 * normal).requires_grad_()
    (gradient,) = torch.autograd.grad(domain.level(inside).sum(), inside)
    along = -(gradient * normal).sum(1) / gradient.norm(dim=1)
    assert float((along > 1 - 1e-6).double().mean()) > 0.99


@pytest.mark.parametrize("name", ALL)
def test_levels_are_positive_inside_and_zero_on_the_boundary(name: str) -> None:
    domain, boundary = ALL[name][0], boundary_of(name)
    assert boundary.has_cutoff == (name not in TOUCHING)
    if not boundary.has_cutoff:
        with pytest.raises(UserError, match=r"touch without overlapping.*\nlet them overlap"):
            boundary.cutoff(draw(domain, 5))
        return
    assert float(boundary.cutoff(draw(boundary, 2000)).abs().max()) < 1e-13
    assert float(boundary.cutoff(draw(domain, 2000)).min()) > 0
    around = Box([(low - 0.3, high + 0.3) for low, high in domain.box])
    x = draw(around, 2000)
    torch.testing.assert_close(domain.level(x) > 0, domain.contains(x))


def leaf(number: random.Random) -> Domain:
    a, b = number.uniform(-1, 1), number.uniform(-1, 1)
    kind = number.choice(["box", "disk", "polygon"])
    if kind == "box":
        return Box([(a, a + number.uniform(0.5, 2)), (b, b + number.uniform(0.5, 2))])
    if kind == "disk":
        return Disk(center=(a, b), radius=number.uniform(0.3, 1))
    angles = [(k + number.random() * 0.9) * 2 * PI / 7 for k in range(7)]
    corners = [(number.uniform(0.3, 1.2), angle) for angle in angles]
    return Polygon([(a + r * math.cos(t), b + r * math.sin(t)) for r, t in corners])


@pytest.mark.parametrize("seed", [0, 3, 4, 5, 6, 7, 8, 9])  # others leave nothing
def test_random_combinations(seed: int) -> None:
    number = random.Random(seed)
    operations = [Domain.__or__, Domain.__sub__, Domain.__or__, Domain.__and__]

    def combined(a: Domain, b: Domain) -> Domain:
        return number.choice(operations)(a, b)

    domain = reduce(combined, [leaf(number) for _ in range(5)])
    low, high = torch.tensor(domain.box, dtype=torch.float64).unbind(1)
    z = low + (high - low) * torch.quasirandom.SobolEngine(2).draw(2**16, dtype=torch.float64)
    share = float(domain.contains(z).double().mean())
    assert domain.volume / Box(domain.box).volume == pytest.approx(share, abs=1e-3)
    boundary = WholeBoundary(domain)
    x, y = draw(boundary, 20_000), draw(Box(domain.box), 2000)
    assert float(domain.level(x).abs().max()) < 1e-13
    torch.testing.assert_close(domain.level(y) > 0, domain.contains(y))
    # Gauss again: the flux of x is twice the area.
    flux = (x * boundary.normal(x)).sum(1) * boundary.measure / 2
    error = float(flux.std()) / math.sqrt(len(x))
    assert abs(float(flux.mean()) - domain.volume) < 4 * error + 1e-12


def test_areas_far_from_zero_and_of_many_sides() -> None:
    n = 60
    ring = [(100 + math.cos(2 * PI * k / n), 50 + math.sin(2 * PI * k / n)) for k in range(n)]
    polygon, disk = Polygon(ring), Disk(center=(100.0, 50.0))
    assert polygon.volume == pytest.approx(n / 2 * math.sin(2 * PI / n), rel=1e-12)
    assert (disk - polygon).volume == pytest.approx(PI - polygon.volume, rel=1e-9)
    other = Polygon([(x + 0.5, y + 0.1) for x, y in ring[::-1]])
    both = (polygon | other).volume + (polygon & other).volume
    assert both == pytest.approx(2 * polygon.volume, rel=1e-12)


def test_what_has_no_exact_volume_says_so() -> None:
    half = IndicatorDomain([(-1, 1)] * 2, lambda x: x[:, 0] < 0)
    both = half & Disk()
    assert not half.has_exact_volume
    assert not both.has_exact_volume
    assert both.volume == pytest.approx(PI / 2, rel=1e-3)
    with pytest.raises(UserError, match=r"boundary of Intersection is not known\ncombine boxes"):
        WholeBoundary(both)
    with pytest.raises(UserError, match="boundary of IndicatorDomain is not known"):
        both.level(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LEFT & Box([(3, 4), (0, 1)]), "Intersection: fills 0 of its box"),
        (lambda: LEFT & RIGHT, "Intersection: fills 0 of its box"),
        (lambda: LEFT - SQUARE.__or__(LEFT), "Difference: fills 0 of its box"),
        (lambda: CUBE & Box([(3, 4)] * 3), "Intersection: fills 0 of its box"),
        (lambda: Disk(radius=-1), "radius: expected greater than 0, got -1"),
        (lambda: LEFT | CUBE, "Union: expected two domains of one dimension, got 2 and 3"),
    ],
)
def test_what_makes_no_domain(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


def test_faces_know_their_normals() -> None:
    faces = Faces(CUBE, [(0, "low"), (2, "high")])
    assert faces.measure == 8
    x = torch.tensor([[-1.0, 0.3, 0.2], [0.3, 0.2, 1.0]])
    assert faces.normal(x).tolist() == [[-1, 0, 0], [0, 0, 1]]
