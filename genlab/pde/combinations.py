"""Unions, intersections and differences of two domains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property

from jaxtyping import Bool, Float
from torch import Tensor

from genlab.errors import UserError
from genlab.pde.arrangement import arrangement
from genlab.pde.domain import LOWEST_SHARE, Domain, box_volume, estimated_share
from genlab.pde.pieces import Bounds, Curve, Piece
from genlab.pde.rfunctions import conjunction, disjunction

__all__ = ["Combination", "Difference", "Intersection", "Union"]


class Combination(Domain):
    """A domain that is made of two others.

    In the plane, boxes, disks, polygons and what they combine to have exact areas and boundaries
    (`arrangement`). Elsewhere a volume is exact where one part is a box and the other lies in it,
    apart from it, or is a box too; or else it is estimated as that of `IndicatorDomain` is.

    Points where the boundaries of both parts meet may count as inside. There, a level may also be
    zero inside: between parts that touch without overlapping.
    """

    def __init__(self, first: Domain, second: Domain) -> None:
        self.parts = first, second
        self.name = type(self).__name__
        if first.dim != second.dim:
            raise UserError(
                f"{self.name}: expected two domains of one dimension, got {first.dim} and "
                f"{second.dim}"
            )
        self.has_boundary = first.has_boundary and second.has_boundary
        self.has_trimmed_pieces = self.has_boundary and first.dim != 2
        if self.has_boundary and first.dim == 2:
            curves = self._curves
            super().__init__(_box_of(curves) if curves else first.box)
            self.volume = sum(curve.area for curve in curves)
        else:
            super().__init__(self._bounds())
            overlap = _overlap(first, second)
            exact = first.has_exact_volume and second.has_exact_volume
            self.has_exact_volume = exact and overlap is not None
            self.volume = (
                estimated_share(self) * box_volume(self.box)
                if overlap is None
                else self._volume(first.volume, second.volume, overlap)
            )
        share = self.volume / box_volume(self.box)
        if share < LOWEST_SHARE:
            raise UserError(
                f"{self.name}: fills {max(share, 0.0):.2g} of its box, expected at least "
                f"{LOWEST_SHARE:g}\ncheck where its parts lie"
            )

    @property
    def leaves(self) -> Sequence[Domain]:
        return [leaf for part in self.parts for leaf in part.leaves]

    @property
    def pieces(self) -> Sequence[Piece]:
        if not self.has_boundary:
            raise self._unknown()
        if self.dim == 2:
            return self._curves
        return [piece for part in self.parts for piece in part.pieces]

    @cached_property
    def _curves(self) -> list[Curve]:
        first, second = (
            [piece for piece in part.pieces if isinstance(piece, Curve)] for part in self.parts
        )
        return arrangement(first, second, self.contains)

    @abstractmethod
    def _bounds(self) -> Bounds:
        """A box that holds the domain."""

    @abstractmethod
    def _volume(self, first: float, second: float, overlap: float) -> float:
        """The volume, from those of the parts and of what they have in common."""


class Union(Combination):
    """``a | b``: the points of one or the other.

    References: doi:10.1109/PROC.1985.13108 (boundaries), doi:10.1115/1.3005099 (levels).

    >>> from genlab.pde import Box
    >>> union = Box([(0, 2), (0, 1)]) | Box([(1, 3), (0, 2)])
    >>> union.box, union.volume
    (((0.0, 3.0), (0.0, 2.0)), 5.0)

    Args:
        first: The domain ``a``.
        second: The domain ``b``.

    Raises:
        UserError: They differ in dimension.
    """

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        a, b = self.parts
        return a.contains(x) | b.contains(x)

    def interior(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        a, b = self.parts
        return a.interior(x) | b.interior(x)

    def level(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        a, b = self.parts
        return disjunction(a.level(x), b.level(x))

    def _bounds(self) -> Bounds:
        sides = zip(*(part.box for part in self.parts), strict=True)
        return [(min(a[0], b[0]), max(a[1], b[1])) for a, b in sides]

    def _volume(self, first: float, second: float, overlap: float) -> float:
        return first + second - overlap


class Intersection(Combination):
    """``a & b``: the points of both.

    References: doi:10.1109/PROC.1985.13108 (boundaries), doi:10.1115/1.3005099 (levels).

    >>> from genlab.pde import Box
    >>> common = Box([(0, 2), (0, 1)]) & Box([(1, 3), (0, 2)])
    >>> common.box, common.volume
    (((1.0, 2.0), (0.0, 1.0)), 1.0)

    Args:
        first: The domain ``a``.
        second: The domain ``b``.

    Raises:
        UserError: They differ in dimension, or have almost nothing in common.
    """

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        a, b = self.parts
        return a.contains(x) & b.contains(x)

    def interior(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        a, b = self.parts
        return a.interior(x) & b.interior(x)

    def level(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        a, b = self.parts
        return conjunction(a.level(x), b.level(x))

    def _bounds(self) -> Bounds:
        first, second = self.parts
        common = _common(first, second)
        # Of parts that are apart any box will do: nothing is in it.
        return common if all(low < high for low, high in common) else first.box

    def _volume(self, first: float, second: float, overlap: float) -> float:
        return overlap


class Difference(Combination):
    """``a - b``: the points of one that are not inside the other.

    References: doi:10.1109/PROC.1985.13108 (boundaries), doi:10.1115/1.3005099 (levels).

    >>> from genlab.pde import Box
    >>> difference = Box([(0, 2), (0, 1)]) - Box([(1, 3), (0, 2)])
    >>> difference.box, difference.volume
    (((0.0, 1.0), (0.0, 1.0)), 1.0)

    Args:
        first: The domain ``a``.
        second: The domain ``b``.

    Raises:
        UserError: They differ in dimension, or almost nothing is left.
    """

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        a, b = self.parts
        return a.contains(x) & ~b.interior(x)

    def interior(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        a, b = self.parts
        return a.interior(x) & ~b.contains(x)

    def level(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        a, b = self.parts
        return conjunction(a.level(x), -b.level(x))

    def _bounds(self) -> Bounds:
        return self.parts[0].box

    def _volume(self, first: float, second: float, overlap: float) -> float:
        return first - overlap


def _box_of(curves: Sequence[Curve]) -> Bounds:
    axes = zip(*(curve.box for curve in curves), strict=True)
    return [(min(low for low, _ in axis), max(high for _, high in axis)) for axis in axes]


def _common(first: Domain, second: Domain) -> Bounds:
    sides = zip(first.box, second.box, strict=True)
    return [(max(a[0], b[0]), min(a[1], b[1])) for a, b in sides]


def _overlap(first: Domain, second: Domain) -> float | None:
    """The volume that two domains have in common; None where their boxes do not tell."""
    common = _common(first, second)
    if any(low >= high for low, high in common):
        return 0.0
    if first.is_box and second.is_box:
        return box_volume(common)
    for outer, inner in ((first, second), (second, first)):
        if outer.is_box and list(common) == list(inner.box):
            return inner.volume
    return None
