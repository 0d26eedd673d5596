"""Domains with curved or slanted boundaries: balls, disks and polygons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, reduce
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.bounds import Positive
from genlab.errors import UserError
from genlab.pde.domain import Domain, box_volume
from genlab.pde.pieces import Arc, Piece, Segment, Sphere
from genlab.pde.rfunctions import conjunction, disjunction

__all__ = ["Ball", "Disk", "LShape", "Polygon"]

Point = tuple[float, float]

NO_AREA = 1e-12
"""Of its box: a line that encloses no more than this share has no inside."""


class Ball(Domain):
    """``|x - c| <= R`` in any dimension.

    >>> ball = Ball(center=(0.0, 0.0, 0.0))
    >>> ball.dim, round(ball.volume, 3)
    (3, 4.189)

    Args:
        center: The centre ``c``.
        radius: The radius ``R``.

    Raises:
        UserError: The radius is not positive.
    """

    has_boundary = True

    def __init__(self, *, center: tuple[float, ...], radius: Positive = 1.0) -> None:
        if not radius > 0:
            raise UserError(f"radius: expected greater than 0, got {radius:g}")
        super().__init__([(c - radius, c + radius) for c in center])
        self.center = center
        self.radius = radius
        unit = math.pi ** (self.dim / 2) / math.gamma(self.dim / 2 + 1)
        self.volume = unit * radius**self.dim

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return (x - x.new_tensor(self.center)).square().sum(1) <= self.radius**2

    def interior(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return (x - x.new_tensor(self.center)).square().sum(1) < self.radius**2

    @cached_property
    def pieces(self) -> Sequence[Piece]:
        if self.dim == 2:
            return [Arc(complex(*self.center), self.radius)]
        return [Sphere(self.center, self.radius)]

    def level(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return 1 - (x - x.new_tensor(self.center)).square().sum(1) / self.radius**2


class Disk(Ball):
    """``|x - c| <= R`` in the plane.

    >>> disk = Disk(radius=2.0)
    >>> disk.box, round(disk.volume, 3)
    (((-2.0, 2.0), (-2.0, 2.0)), 12.566)

    Args:
        center: The centre ``c``.
        radius: The radius ``R``.
    """

    def __init__(self, *, center: Point = (0.0, 0.0), radius: Positive = 1.0) -> None:
        super().__init__(center=center, radius=radius)


class Gate(NamedTuple):
    """A logical combination of half-planes, each given by its number, and of other gates."""

    combine: Callable[[Tensor, Tensor], Tensor]
    parts: list[int | Gate]


class Polygon(Domain):
    """The part of the plane within a closed line through corners.

    Its level combines the distances ``h_k`` from the lines through its sides, each once: by ``and``
    those of a convex one; of another one by ``and`` over the parts between corners of the convex
    hull, in these by ``or`` over the parts between corners of their own hull, and so on by turns
    (Dobkin, Guibas, Hershberger, Snoeyink, "An efficient algorithm for finding the CSG
    representation of a simple polygon", SIGGRAPH 1988). ``and`` and ``or`` are R-functions
    (doi:10.1115/1.3005099).

    >>> triangle = Polygon([(0, 0), (1, 0), (0, 1)])
    >>> triangle.volume, triangle.contains(torch.tensor([[0.2, 0.2], [0.5, 0.5], [0.8, 0.8]]))
    (0.5, tensor([ True,  True, False]))

    Args:
        corners: In order, either way round; the last one is joined to the first.

    Raises:
        UserError: Fewer than three corners, no area, or sides that meet between corners.
    """

    has_boundary = True

    def __init__(self, corners: Sequence[Sequence[float]]) -> None:
        if len(corners) < 3 or any(len(corner) != 2 for corner in corners):
            raise UserError(
                f"corners: expected at least 3 points [x, y] of the plane, got {list(corners)}"
            )
        if not all(math.isfinite(number) for corner in corners for number in corner):
            raise UserError(f"corners: expected finite numbers, got {list(corners)}")
        super().__init__(_box_of(corners))
        points = [complex(*corner) for corner in corners]
        # From the first corner, so that a place far from zero costs no digits.
        area = sum(side.area for side in _sides([point - points[0] for point in points]))
        if abs(area) <= NO_AREA * box_volume(self.box):
            raise UserError("corners: the line through them encloses no area; check their order")
        self.volume = abs(area)
        self.sides = _sides(points if area > 0 else points[::-1])
        if meeting := _meeting(_sides(points)):
            first, second = meeting
            raise UserError(
                f"corners: the sides after corners {first + 1} and {second + 1} meet, expected a "
                "line that does not meet itself"
            )

    @property
    def pieces(self) -> Sequence[Piece]:
        return self.sides

    def contains(self, x: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
        within, on = self._position(x)
        return within | on

    def interior(self, x: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
        within, on = self._position(x)
        return within & ~on

    def level(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        scale = min(high - low for low, high in self.box) / 2
        heights = []
        for side in self.sides:
            y = x - x.new_tensor([side.ends[0].real, side.ends[0].imag])
            heights.append(-(y * side.normal(y)).sum(1) / scale)

        def value(part: int | Gate) -> Tensor:
            if isinstance(part, int):
                return heights[part]
            return reduce(part.combine, map(value, part.parts))

        return value(self._formula)

    @cached_property
    def _formula(self) -> int | Gate:
        """The half-planes of the sides, as they combine to the polygon."""
        corners = [side.ends[0] for side in self.sides]
        n = len(corners)
        start = min(range(n), key=lambda i: (corners[i].real, corners[i].imag))
        line = [corners[(start + i) % n] for i in range(n + 1)]

        def formula(first: int, last: int, turn: int) -> int | Gate:
            if last == first + 1:
                return (start + first) % n
            stops = [first]
            while stops[-1] < last:
                stops.append(_next_on_hull(line[: last + 1], stops[-1], turn))
            combine = conjunction if turn > 0 else disjunction
            return Gate(combine, [formula(a, b, -turn) for a, b in pairwise(stops)])

        return formula(0, n, 1)

    def _position(self, x: Float[Tensor, "n 2"]) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " n"]]:
        """Whether a ray from each point crosses an odd number of sides; whether it lies on one."""
        odd = on = torch.zeros_like(x[:, 0], dtype=torch.bool)
        for side in self.sides:
            (a, b), (p, q) = ((end.real, end.imag) for end in side.ends)
            left = (p - a) * (x[:, 1] - b) - (q - b) * (x[:, 0] - a)
            odd = odd ^ (((x[:, 1] >= b) != (x[:, 1] >= q)) & ((left > 0) == (q > b)))
            box = ((min(a, p), max(a, p)), (min(b, q), max(b, q)))
            low, high = x.new_tensor(box).unbind(1)
            on = on | ((left == 0) & ((x >= low) & (x <= high)).all(1))
        return odd, on


class LShape(Polygon):
    """``[-1, 1]^2`` without its lower right quarter ``(0, 1] x [-1, 0)``.

    >>> LShape().contains(torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.0, -0.5]]))
    tensor([ True, False,  True])
    """

    def __init__(self) -> None:
        super().__init__([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])


def _sides(corners: Sequence[complex]) -> list[Segment]:
    return [Segment(*ends) for ends in pairwise([*corners, corners[0]])]


def _next_on_hull(line: Sequence[complex], first: int, turn: int) -> int:
    """The corner after which no later one lies to the right of the way there, or to the left."""
    best = first + 1
    for k in range(first + 2, len(line)):
        across = (line[best] - line[first]).conjugate() * (line[k] - line[first])
        if turn * across.imag < 0:
            best = k
    return best


def _box_of(corners: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    box = [(min(axis), max(axis)) for axis in zip(*corners, strict=True)]
    # On a line along an axis there is no box; the polygon is then refused for having no area.
    return [(low, high if low < high else low + 1) for low, high in box]


def _meeting(sides: Sequence[Segment]) -> tuple[int, int] | None:
    """The first two sides that meet elsewhere than in a corner between them, if any do."""
    n = len(sides)
    start = torch.tensor([[side.ends[0].real, side.ends[0].imag] for side in sides]).double()
    along = torch.tensor([[side.side.real, side.side.imag] for side in sides]).double()
    end = start.roll(-1, 0)

    def beside(points: Tensor) -> Tensor:
        """On which side of the line through each of the sides each point lies."""
        y = points[None] - start[:, None]
        return along[:, None, 0] * y[..., 1] - along[:, None, 1] * y[..., 0]

    crossed = beside(start) * beside(end) <= 0
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    close = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(2)
    meet = crossed & crossed.T & close
    # Neighbours share a corner: they meet elsewhere where the second one runs back.
    number = torch.arange(n)
    after = (number + 1) % n
    meet[number, number] = False
    back = (beside(end)[number, after] == 0) & ((along * along[after]).sum(1) < 0)
    meet[number, after] = meet[after, number] = back
    found = meet.nonzero().tolist()
    return (found[0][0], found[0][1]) if found else None
