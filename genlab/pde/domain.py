"""Domains of PDEs: boxes, a disk, an L, or any set that a function of points tells."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.bounds import Positive
from genlab.errors import UserError

__all__ = ["Box", "Disk", "Domain", "IndicatorDomain", "LShape"]

VOLUME_POINTS = 2**20
"""Points of a Sobol sequence that a volume is estimated with."""

LOWEST_SHARE = 1e-3
"""Of a box: below it, points of the domain are found too rarely."""


class Domain(ABC):
    """A bounded closed set in R^d with positive volume, in a box.

    Coordinates of space and time stand side by side: a problem in (x, t) has a box as its domain.
    Subclasses implement `contains`, and set `volume`:

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
        is_box: Whether the domain is its box.

    Raises:
        UserError: An interval is empty.
    """

    volume: float
    is_box: bool = False

    def __init__(self, box: Sequence[Sequence[float]]) -> None:
        self.box = tuple((float(low), float(high)) for low, high in box)
        self.dim = len(self.box)
        for low, high in self.box:
            if not low < high:
                raise UserError(f"box: expected low < high, got [{low:g}, {high:g}]")

    @abstractmethod
    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """Whether each point lies in the domain."""

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
        share = self.volume / math.prod(high - low for low, high in self.box)
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

    def __init__(self, bounds: Sequence[Sequence[float]]) -> None:
        super().__init__(bounds)
        self.volume = math.prod(high - low for low, high in self.box)

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return _in_bounds(x, self.box)


class Disk(Domain):
    """``|x - c| <= R`` in the plane.

    >>> disk = Disk(radius=2.0)
    >>> disk.box, round(disk.volume, 3)
    (((-2.0, 2.0), (-2.0, 2.0)), 12.566)

    Args:
        center: The centre ``c``.
        radius: The radius ``R``.
    """

    def __init__(self, *, center: tuple[float, float] = (0.0, 0.0), radius: Positive = 1.0) -> None:
        super().__init__([(c - radius, c + radius) for c in center])
        self.center = center
        self.radius = radius
        self.volume = math.pi * radius**2

    def contains(self, x: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
        return (x - x.new_tensor(self.center)).square().sum(1) <= self.radius**2


class LShape(Domain):
    """``[-1, 1]^2`` without its lower right quarter ``(0, 1] x [-1, 0)``.

    >>> LShape().contains(torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.0, -0.5]]))
    tensor([ True, False,  True])
    """

    def __init__(self) -> None:
        super().__init__([(-1.0, 1.0)] * 2)
        self.volume = 3.0

    def contains(self, x: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
        return _in_bounds(x, self.box) & ~((x[:, 0] > 0) & (x[:, 1] < 0))


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

    def __init__(
        self,
        box: Sequence[Sequence[float]],
        inside: Callable[[Float[Tensor, "n d"]], Bool[Tensor, " n"]],
    ) -> None:
        super().__init__(box)
        self.inside = inside
        sobol = torch.quasirandom.SobolEngine(self.dim)
        low, high = torch.tensor(self.box, dtype=torch.float64).unbind(1)
        x = low + (high - low) * sobol.draw(VOLUME_POINTS, dtype=torch.float64)
        share = float(self.contains(x).double().mean())
        if share < LOWEST_SHARE:
            raise UserError(
                f"domain: its indicator holds on {share:.2g} of the box; expected at least "
                f"{LOWEST_SHARE:g}: choose a tighter box"
            )
        self.volume = share * math.prod(high - low for low, high in self.box)

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return _in_bounds(x, self.box) & self.inside(x)


def _in_bounds(x: Float[Tensor, "n d"], box: Sequence[tuple[float, float]]) -> Bool[Tensor, " n"]:
    low, high = x.new_tensor(box).unbind(1)
    return ((x >= low) & (x <= high)).all(1)
