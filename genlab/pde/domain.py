"""Domains of PDEs: the contract, boxes, and any set that a function of points tells."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property, reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.errors import UserError
from genlab.pde.pieces import BoxFace, Piece, Segment
from genlab.pde.rfunctions import conjunction

__all__ = ["LOWEST_SHARE", "Box", "Domain", "IndicatorDomain", "box_volume", "estimated_share"]

VOLUME_POINTS = 2**20
"""Points of a Sobol sequence that a volume is estimated with."""

LOWEST_SHARE = 1e-3
"""Of a box: below it, points of the domain are found too rarely."""

Bounds = Sequence[Sequence[float]]


class Domain(ABC):
    """A bounded closed set in R^d with positive volume, in a box.

    Coordinates of space and time stand side by side: a problem in (x, t) has a box as its domain.
    ``a | b``, ``a & b`` and ``a - b`` are `Union`, `Intersection` and `Difference`. Subclasses
    implement `contains`, and set `volume`:

    >>> class Triangle(Domain):
    ...     volume = 0.5
    ...     def contains(self, x):
    ...         return (x >= 0).all(1) & (x.sum(1) <= 1)
    >>> Triangle([(0, 1), (0, 1)]).sample(5, generator=None).sum(1) <= 1
    tensor([True, True, True, True, True])

    Args:
        box: Interval of each coordinate.

    Attributes:
        box: The same.
        dim: Number of coordinates ``d``.
        volume: ``|Omega|``.
        has_exact_volume: Whether it is no estimate.
        is_box: Whether the domain is its box.
        has_boundary: Whether `pieces` and `level` are known.
        has_trimmed_pieces: Whether only some of `pieces` is boundary, where the domain is on one
            side.

    Raises:
        UserError: An interval is empty.
    """

    volume: float
    has_exact_volume: bool = True
    is_box: bool = False
    has_boundary: bool = False
    has_trimmed_pieces: bool = False

    def __init__(self, box: Bounds) -> None:
        self.box = tuple((float(low), float(high)) for low, high in box)
        self.dim = len(self.box)
        for low, high in self.box:
            if not low < high:
                raise UserError(f"box: expected low < high, got [{low:g}, {high:g}]")

    @abstractmethod
    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """Whether each point lies in the domain."""

    def interior(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """Whether each point lies in the domain, and not on its boundary if that is known."""
        return self.contains(x)

    @property
    def pieces(self) -> Sequence[Piece]:
        """Smooth pieces that make up the boundary.

        Raises:
            UserError: They are not known.
        """
        raise self._unknown()

    def level(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """A function that is positive inside, zero on the boundary, and negative outside.

        It is smooth but at corners, and of order one in the middle (doi:10.1115/1.3005099).

        Raises:
            UserError: None is known.
        """
        raise self._unknown()

    @property
    def leaves(self) -> Sequence[Domain]:
        """The domains that this one is combined of; itself if it is not."""
        return [self]

    def _unknown(self) -> UserError:
        return UserError(
            f"domain: the boundary of {type(self).__name__} is not known\n"
            "combine boxes, balls and polygons by |, & and -"
        )

    # What domains combine to is known above them: it is a domain itself.
    def __or__(self, other: Domain) -> Domain:
        from genlab.pde.combinations import Union

        return Union(self, other)

    def __and__(self, other: Domain) -> Domain:
        from genlab.pde.combinations import Intersection

        return Intersection(self, other)

    def __sub__(self, other: Domain) -> Domain:
        from genlab.pde.combinations import Difference

        return Difference(self, other)

    @property
    def log_uniform(self) -> float:
        """Log-density of the uniform distribution on the domain, ``-log |Omega|``."""
        return -math.log(self.volume)

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        """``n`` independent points, uniform on the domain; rejected from the box where needed.

        Args:
            n: Number of points.
            generator: Source of randomness; the points are on its device.
            dtype: Type of the coordinates; torch's default if None.
        """
        if self.is_box:
            return self._in_box(n, generator, dtype)
        accepted = [self._in_box(0, generator, dtype)]
        missing = n
        share = self.volume / box_volume(self.box)
        while missing > 0:
            x = self._in_box(math.ceil(1.1 * missing / share) + 16, generator, dtype)
            accepted.append(x[self.contains(x)])
            missing -= len(accepted[-1])
        return torch.cat(accepted)[:n]

    def _in_box(
        self, n: int, generator: torch.Generator | None, dtype: torch.dtype | None
    ) -> Float[Tensor, "n d"]:
        device = "cpu" if generator is None else generator.device
        unit = torch.rand(n, self.dim, generator=generator, dtype=dtype, device=device)
        low, high = unit.new_tensor(self.box).unbind(1)
        return low + (high - low) * unit


class Box(Domain):
    """``[l_1, h_1] x ... x [l_d, h_d]``.

    >>> box = Box([(-1, 1), (0, 3)])
    >>> box.volume, box.contains(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
    (6.0, tensor([ True, False]))

    Args:
        bounds: Interval of each coordinate.

    Raises:
        UserError: An interval is empty.
    """

    is_box = True
    has_boundary = True

    def __init__(self, bounds: Bounds) -> None:
        super().__init__(bounds)
        self.volume = box_volume(self.box)

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return _in_bounds(x, self.box)

    def interior(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        low, high = x.new_tensor(self.box).unbind(1)
        return ((x > low) & (x < high)).all(1)

    @cached_property
    def pieces(self) -> Sequence[Piece]:
        if self.dim != 2:
            sides = [(i, high) for i in range(self.dim) for high in (False, True)]
            return [BoxFace(self.box, i, high=high) for i, high in sides]
        (left, right), (low, high) = self.box
        corners = [complex(*c) for c in ((left, low), (right, low), (right, high), (left, high))]
        return [Segment(corners[i - 1], corners[i]) for i in range(4)]

    def level(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        low, high = x.new_tensor(self.box).unbind(1)
        return reduce(conjunction, (4 * (x - low) * (high - x) / (high - low) ** 2).unbind(1))


class IndicatorDomain(Domain):
    """The points of a box at which a function holds.

    The volume is an estimate, always the same: the share of 2^20 points of a Sobol sequence (Sobol,
    "On the distribution of points in a cube and the approximate evaluation of integrals", 1967,
    doi:10.1016/0041-5553(67)90144-9).

    >>> half = IndicatorDomain([(0, 1), (0, 1)], lambda x: x[:, 0] < x[:, 1])
    >>> round(half.volume, 2)
    0.5

    Args:
        box: Interval of each coordinate.
        inside: Tells of points ``[n, d]`` whether they belong to the domain, ``[n]``.

    Raises:
        UserError: Almost nothing of the box belongs to the domain.
    """

    has_exact_volume = False

    def __init__(
        self, box: Bounds, inside: Callable[[Float[Tensor, "n d"]], Bool[Tensor, " n"]]
    ) -> None:
        super().__init__(box)
        self.inside = inside
        share = estimated_share(self)
        if share < LOWEST_SHARE:
            raise UserError(
                f"domain: its indicator holds on {share:.2g} of the box; expected at least "
                f"{LOWEST_SHARE:g}: choose a tighter box"
            )
        self.volume = share * box_volume(self.box)

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return _in_bounds(x, self.box) & self.inside(x)


def box_volume(box: Bounds) -> float:
    """``prod_i (h_i - l_i)``."""
    return math.prod(high - low for low, high in box)


def estimated_share(domain: Domain) -> float:
    """The share of a domain in its box."""
    sobol = torch.quasirandom.SobolEngine(domain.dim)
    low, high = torch.tensor(domain.box, dtype=torch.float64).unbind(1)
    x = low + (high - low) * sobol.draw(VOLUME_POINTS, dtype=torch.float64)
    return float(domain.contains(x).double().mean())


def _in_bounds(x: Float[Tensor, "n d"], box: Sequence[tuple[float, float]]) -> Bool[Tensor, " n"]:
    low, high = x.new_tensor(box).unbind(1)
    return ((x >= low) & (x <= high)).all(1)
