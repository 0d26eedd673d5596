"""Space-time cylinders: their parts by name, points and cutoffs on them."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.errors import UserError
from genlab.pde import Box, Cylinder, CylinderBoundary, Disk, Faces, LShape

CYLINDER = Cylinder(Disk(radius=2.0), (1, 4))
LATERAL, BOTTOM, TOP = 12 * math.pi, 4 * math.pi, 4 * math.pi


@pytest.mark.parametrize(
    ("parts", "measure"),
    [
        (["lateral"], LATERAL),
        (["bottom"], BOTTOM),
        (["top", "lateral"], LATERAL + TOP),
        (["lateral", "bottom", "top"], LATERAL + BOTTOM + TOP),
    ],
)
def test_parts(parts: list[str], measure: float) -> None:
    boundary = CylinderBoundary(CYLINDER, parts)
    assert boundary.measure == pytest.approx(measure)
    n = 10_000
    x = boundary.sample(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normal = boundary.normal(x)
    t, r = x[:, -1], x[:, :-1].norm(dim=1)
    on = {"lateral": (r - 2).abs() < 1e-12, "bottom": t == 1, "top": t == 4}
    areas = {"lateral": LATERAL, "bottom": BOTTOM, "top": TOP}
    for part, where in on.items():
        share = areas[part] / measure if part in parts else 0.0
        error = math.sqrt(share * (1 - share) / n)
        assert abs(float(where.double().mean()) - share) <= 4 * error
    assert bool(torch.stack([on[part] for part in parts]).any(0).all())
    for part, sign in (("bottom", -1), ("top", 1)):
        assert bool((normal[on[part]][:, -1] == sign).all())
    outward = torch.cat((x[:, :-1] / 2, torch.zeros(n, 1)), 1)[on["lateral"]]
    torch.testing.assert_close(normal[on["lateral"]], outward)
    # The cutoff vanishes on these parts only, and is about one in the middle.
    assert float(boundary.cutoff(x).abs().max()) < 1e-13
    inside = CYLINDER.sample(1000, generator=torch.Generator().manual_seed(0))
    assert float(boundary.cutoff(inside).min()) > 0
    others = [part for part in on if part not in parts]
    for part in others:
        y = CylinderBoundary(CYLINDER, [part]).sample(100, generator=None)
        assert float(boundary.cutoff(y).min()) > 0


def test_normals_of_points_that_were_drawn_in_single_precision() -> None:
    """0.1 is rounded up and 0.7 down: neither is beyond the end that it stands for."""
    boundary = CylinderBoundary(Cylinder(Disk(), (0.1, 0.7)), ["lateral", "bottom", "top"])
    x = boundary.sample(300, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    normal = boundary.normal(x.double())
    for end, sign in ((0.1, -1), (0.7, 1)):
        on = x[:, -1] == torch.tensor(end)
        assert on.any()
        assert torch.equal(normal[on], torch.tensor([0.0, 0.0, sign]).double().expand(on.sum(), 3))


def test_few_points() -> None:
    for cylinder in (CYLINDER, Cylinder(Box([(0, 1)]), (0, 1)), Cylinder(LShape(), (0, 1))):
        boundary = CylinderBoundary(cylinder)
        for seed in range(5):
            draw = torch.Generator().manual_seed(seed)
            assert boundary.sample(1, generator=draw).shape == (1, cylinder.dim)


def test_a_cylinder_of_a_box_is_a_box() -> None:
    space = Box([(-1, 1), (0, 1)])
    cylinder, box = Cylinder(space, (0, 2)), Box([(-1, 1), (0, 1), (0, 2)])
    assert cylinder.is_box
    x, y = (
        domain.sample(50, generator=torch.Generator().manual_seed(0)) for domain in (cylinder, box)
    )
    assert torch.equal(x, y)
    faces = Faces(box, Faces(box).faces[:-1])
    torch.testing.assert_close(CylinderBoundary(cylinder).cutoff(x), faces.cutoff(x))
    whole = CylinderBoundary(cylinder, ["top", "lateral", "bottom"])
    torch.testing.assert_close(whole.cutoff(x), Faces(box).cutoff(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cylinder(Disk(), (1, 1)), r"time: expected start < end, got \[1, 1\]"),
        (lambda: CylinderBoundary(CYLINDER, []), "parts: expected some of lateral, bottom, top"),
    ],
)
def test_what_is_no_cylinder(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
