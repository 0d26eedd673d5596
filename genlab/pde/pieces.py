"""Smooth pieces that boundaries are made of: segments and arcs of the plane, faces, spheres."""

from __future__ import annotations

import cmath
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Arc", "Bounds", "BoxFace", "Curve", "Piece", "Segment", "Sphere", "draw", "normals"]

Bounds = Sequence[tuple[float, float]]


class Piece(ABC):
    """A smooth piece of a boundary in R^d, with a side that is outward.

    Attributes:
        measure: Its length in the plane, its area in space; one for a point on a line.
        uniforms: Numbers that a point of it is made from.
    """

    measure: float
    uniforms: int

    @abstractmethod
    def at(self, u: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        """Points that are uniform on the piece where ``u`` is uniform on ``[0, 1]^k``."""

    @abstractmethod
    def normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Outward unit normals at points of the piece."""

    @abstractmethod
    def distance(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Distance of each point from the piece."""


class Curve(Piece):
    """A directed piece in the plane, with the outward side on its right; points are complex.

    Attributes:
        area: ``1/2 int (x dy - y dx)`` along it, by which a closed line tells what it encloses.
        ends: Where it begins and ends.
    """

    uniforms = 1
    area: float
    ends: tuple[complex, complex]

    @abstractmethod
    def point(self, share: float) -> complex:
        """The point at a share of its length."""

    @abstractmethod
    def share(self, point: complex) -> float:
        """The inverse of `point`, of points on the curve."""

    @abstractmethod
    def part(self, first: float, last: float) -> Curve:
        """The curve between two shares; directed the other way where ``first > last``."""

    @property
    @abstractmethod
    def extremes(self) -> Sequence[complex]:
        """Points whose smallest box holds the curve."""

    @cached_property
    def box(self) -> Bounds:
        """The smallest intervals of both coordinates that hold the curve."""
        axes = zip(*((point.real, point.imag) for point in self.extremes), strict=True)
        return [(min(axis), max(axis)) for axis in axes]

    def near(self, point: complex, tolerance: float) -> bool:
        """Whether a point lies on the curve."""
        nearest = (*self.ends, self.point(min(max(self.share(point), 0.0), 1.0)))
        return any(abs(point - other) <= tolerance for other in nearest)


class Segment(Curve):
    """The straight line from one point to another.

    Args:
        start: The one.
        end: The other.
    """

    def __init__(self, start: complex, end: complex) -> None:
        self.ends = start, end
        self.side = end - start
        self.measure = abs(self.side)
        self.area = (start.conjugate() * end).imag / 2

    def at(self, u: Float[Tensor, "n 1"]) -> Float[Tensor, "n 2"]:
        return _tensor(self.ends[0], u) + u * _tensor(self.side, u)

    def normal(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        return _tensor(-1j * self.side / self.measure, x).expand_as(x)

    def distance(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        y, along = x - _tensor(self.ends[0], x), _tensor(self.side, x)
        share = ((y @ along) / self.measure**2).clamp(0, 1)
        return _length(y - share[:, None] * along)

    def point(self, share: float) -> complex:
        return self.ends[0] + share * self.side

    def share(self, point: complex) -> float:
        return (self.side.conjugate() * (point - self.ends[0])).real / self.measure**2

    def part(self, first: float, last: float) -> Segment:
        return Segment(self.point(first), self.point(last))

    @property
    def extremes(self) -> Sequence[complex]:
        return self.ends


class Arc(Curve):
    """``c + R e^(i a)`` for angles ``a`` from one on; a whole circle unless told.

    Args:
        center: The centre ``c``.
        radius: The radius ``R``.
        start: The first angle.
        sweep: How far the angle goes; clockwise, with the centre outside, where it is negative.
    """

    def __init__(
        self, center: complex, radius: float, start: float = 0.0, sweep: float = 2 * math.pi
    ) -> None:
        self.center, self.radius, self.start, self.sweep = center, radius, start, sweep
        self.measure = radius * abs(sweep)
        self.ends = self.point(0.0), self.point(1.0)
        chord = self.ends[1] - self.ends[0]
        self.area = (radius**2 * sweep + (center.conjugate() * chord).imag) / 2

    def at(self, u: Float[Tensor, "n 1"]) -> Float[Tensor, "n 2"]:
        angle = self.start + self.sweep * u[:, 0]
        unit = torch.stack((angle.cos(), angle.sin()), 1)
        return _tensor(self.center, u) + self.radius * unit

    def normal(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        y = x - _tensor(self.center, x)
        return math.copysign(1.0, self.sweep) * y / _length(y)[:, None]

    def distance(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        y = x - _tensor(self.center, x)
        middle = self.point(0.5) - self.center
        across, along = (y @ _tensor(turn * middle, x) for turn in (1j, 1))
        beside = torch.atan2(across, along).abs() <= abs(self.sweep) / 2
        ends = torch.stack([_length(x - _tensor(end, x)) for end in self.ends])
        return torch.where(beside, (_length(y) - self.radius).abs(), ends.amin(0))

    def point(self, share: float) -> complex:
        return self.center + cmath.rect(self.radius, self.start + share * self.sweep)

    def share(self, point: complex) -> float:
        angle = (cmath.phase(point - self.center) - self.start) * math.copysign(1.0, self.sweep)
        return angle % (2 * math.pi) / abs(self.sweep)

    def part(self, first: float, last: float) -> Arc:
        start, sweep = self.start + first * self.sweep, (last - first) * self.sweep
        return Arc(self.center, self.radius, start, sweep)

    @property
    def extremes(self) -> Sequence[complex]:
        points = [self.center + self.radius * turn for turn in (1, 1j, -1, -1j)]
        return [*self.ends, *(point for point in points if self.share(point) <= 1)]


class BoxFace(Piece):
    """A face of a box in any dimension.

    Args:
        box: Interval of each coordinate.
        coordinate: The one that is constant.
        high: Whether it is so at its upper end.
    """

    def __init__(self, box: Bounds, coordinate: int, *, high: bool) -> None:
        self.coordinate = coordinate
        self.outward = 1.0 if high else -1.0
        level = box[coordinate][high]
        self.box = [(level, level) if i == coordinate else side for i, side in enumerate(box)]
        rest = [side for i, side in enumerate(box) if i != coordinate]
        self.measure = math.prod((b - a for a, b in rest), start=1.0)
        self.uniforms = len(rest)

    def at(self, u: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        low, high = u.new_tensor(self.box).unbind(1)
        i = self.coordinate
        full = torch.cat((u[:, :i], u.new_zeros(len(u), 1), u[:, i:]), 1)
        return low + (high - low) * full

    def normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        unit = torch.zeros_like(x)
        unit[:, self.coordinate] = self.outward
        return unit

    def distance(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        low, high = x.new_tensor(self.box).unbind(1)
        return _length(x - x.clamp(low, high))


class Sphere(Piece):
    """``|x - c| = R`` in any dimension.

    Args:
        center: The centre ``c``.
        radius: The radius ``R``.
    """

    def __init__(self, center: Sequence[float], radius: float) -> None:
        self.center, self.radius = list(center), radius
        d = self.uniforms = len(self.center)
        self.measure = 2 * math.pi ** (d / 2) / math.gamma(d / 2) * radius ** (d - 1)

    def at(self, u: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        # The direction of independent normal numbers is uniform.
        normal = torch.special.ndtri(u.clamp_min(torch.finfo(u.dtype).tiny))
        unit: Tensor = normal / _length(normal)[:, None]
        return u.new_tensor(self.center) + self.radius * unit

    def normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        y = x - x.new_tensor(self.center)
        return y / _length(y)[:, None]

    def distance(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return (_length(x - x.new_tensor(self.center)) - self.radius).abs()


def draw(
    pieces: Sequence[Piece],
    n: int,
    *,
    generator: torch.Generator | None,
    dtype: torch.dtype | None = None,
) -> tuple[Float[Tensor, "n d"], Int[Tensor, " n"]]:
    """``n`` independent points, uniform on some pieces together, and the piece of each.

    Args:
        pieces: The pieces, at least one.
        n: Number of points.
        generator: Source of randomness; the points are on its device.
        dtype: Type of the coordinates; torch's default if None.
    """
    device = "cpu" if generator is None else generator.device
    chosen = torch.zeros(n, dtype=torch.long, device=device)
    if n > 0 and len(pieces) > 1:
        measures = torch.tensor([piece.measure for piece in pieces], dtype=dtype, device=device)
        chosen = torch.multinomial(measures, n, replacement=True, generator=generator)
    most = max(piece.uniforms for piece in pieces)
    u = torch.rand(n, most, generator=generator, dtype=dtype, device=device)
    rows, x = [], []
    for number, piece in enumerate(pieces):
        rows.append((chosen == number).nonzero().squeeze(1))
        x.append(piece.at(u[rows[-1], : piece.uniforms]))
    order = torch.cat(rows).argsort()
    return torch.cat(x)[order], chosen


def normals(pieces: Sequence[Piece], x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Outward unit normals of the piece that is nearest to each point."""
    nearest = torch.stack([piece.distance(x) for piece in pieces]).argmin(0)
    unit = torch.empty_like(x)
    for number, piece in enumerate(pieces):
        unit[nearest == number] = piece.normal(x[nearest == number])
    return unit


def _tensor(point: complex, like: Tensor) -> Tensor:
    return like.new_tensor([point.real, point.imag])


def _length(x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    length: Tensor = x.norm(dim=1)
    return length
