"""The part of a domain's boundary where a solution is known, and functions built from it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde.domain import Box, Disk

__all__ = ["Boundary", "Circle", "Faces", "Polygon", "rows_at_once"]

Function = Callable[[Float[Tensor, "n d"]], Float[Tensor, " n"]]
Face = tuple[int, Literal["low", "high"]]

# Boundary values that are computed together: what a lift holds in memory.
VALUES_AT_ONCE = 2**18


def rows_at_once(lift_cost: int) -> int:
    """The number of points that a lift is computed at together, by the values that each takes."""
    return max(1, VALUES_AT_ONCE // max(1, lift_cost))


class Boundary(ABC):
    """The part of a domain's edge where a solution is prescribed.

    A hard boundary writes ``u = g + w v``: the lift ``g`` has the prescribed values there, the
    cutoff ``w`` vanishes there and nowhere else, ``v`` is the network (Lagaris, Likas, Fotiadis,
    "Artificial neural networks for solving ordinary and partial differential equations", 1998,
    arXiv:physics/9705023). Subclasses implement `sample` and `cutoff`:

    >>> class Ends(Boundary):
    ...     def sample(self, n, *, generator, dtype=None):
    ...         return torch.randint(2, (n, 1), generator=generator).to(dtype or torch.float32)
    ...     def cutoff(self, x):
    ...         return 4 * x[:, 0] * (1 - x[:, 0])
    >>> Ends().cutoff(torch.tensor([[0.0], [0.5], [1.0]]))
    tensor([0., 1., 0.])

    Attributes:
        has_cutoff: Whether `cutoff` is known.
    """

    has_cutoff: bool = True

    @abstractmethod
    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        """``n`` independent points, uniform on the boundary."""

    @abstractmethod
    def cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``w``: zero on the boundary, about one far from it."""

    def normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Outward unit normals at points of the boundary; at a corner, that of one side.

        Raises:
            NotImplementedError: They are not known.
        """
        raise NotImplementedError(f"{type(self).__name__} knows no normals")


class Faces(Boundary):
    """Some faces of a box; the cutoff is ``w = prod_i 4 s_i (1 - s_i)``, s the share of each side.

    Of a coordinate with one face only its distance from that counts: ``s_i``, or ``1 - s_i``.

    References: arXiv:physics/9705023; doi:10.1007/BF01436298 (the lift).

    >>> faces = Faces(Box([(-1, 1), (0, 1)]), [(0, "low"), (0, "high"), (1, "low")])
    >>> faces.cutoff(torch.tensor([[0.0, 1.0], [0.5, 1.0], [0.0, 0.0]]))
    tensor([1.0000, 0.7500, 0.0000])

    Args:
        box: The box.
        faces: Each face by its coordinate and side; all of them if None.
    """

    def __init__(self, box: Box, faces: Sequence[Face] | None = None) -> None:
        every: list[Face] = [(i, side) for i in range(box.dim) for side in ("low", "high")]
        self.box = box.box
        self.faces = list(every if faces is None else faces)

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        x = Box(self.box).sample(n, generator=generator, dtype=dtype)
        sides = [high - low for low, high in self.box]
        areas = torch.tensor([math.prod(sides) / sides[i] for i, _ in self.faces])
        chosen = torch.multinomial(areas, n, replacement=True, generator=generator)
        for number, face in enumerate(self.faces):
            x[chosen == number, face[0]] = self._edge(face)
        return x

    def cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        value = torch.ones_like(x[:, 0])
        for i, (low, high) in enumerate(self.box):
            sides = self._sides(i)
            factor = 4 if len(sides) == 2 else 1
            for side in sides:
                distance = x[:, i] - low if side == "low" else high - x[:, i]
                value = value * distance / (high - low)
            value = factor * value
        return value

    def normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        distances = [
            (x[:, face[0]] - self._edge(face)).abs() / (high - low)
            for face in self.faces
            for low, high in [self.box[face[0]]]
        ]
        units = x.new_zeros(len(self.faces), x.shape[1])
        for number, (i, side) in enumerate(self.faces):
            units[number, i] = 1.0 if side == "high" else -1.0
        return units[torch.stack(distances).argmin(0)]

    @property
    def lift_cost(self) -> int:
        """Prescribed values that `lift` takes at each point: ``3^d - 1`` where all faces count."""
        return math.prod(1 + len(self._sides(i)) for i in range(len(self.box))) - 1

    def lift(self, x: Float[Tensor, "n d"], prescribed: Function) -> Float[Tensor, " n"]:
        """Transfinite interpolation of what is prescribed on the faces.

        ``g = b - prod_i (1 - P_i) b``, where ``P_i`` interpolates linearly between the two faces
        of coordinate i, or goes on constantly from its one face: only values on the boundary count
        (Gordon, Hall, "Transfinite element methods", 1973, doi:10.1007/BF01436298). It takes
        `lift_cost` of them a point.

        Args:
            x: Points of the box.
            prescribed: The values at points of the faces, ``[m, d]`` to ``[m]``.
        """
        parts = x.split(rows_at_once(self.lift_cost))
        return torch.cat([self._lift(part, prescribed) for part in parts])

    def _lift(self, x: Float[Tensor, "n d"], prescribed: Function) -> Float[Tensor, " n"]:
        """Each term of the product keeps a coordinate, or puts it on one of its faces."""
        kept: list[Tensor] = []
        weights: list[Tensor] = []
        for i, (low, high) in enumerate(self.box):
            sides = self._sides(i)
            share = (x[:, i] - low) / (high - low)
            shares = {"low": 1 - share, "high": share}
            one = torch.ones_like(share)
            kept.append(torch.stack([x[:, i], *(one * self._edge((i, side)) for side in sides)]))
            parts = [shares[side] if len(sides) == 2 else one for side in sides]
            weights.append(torch.stack([one, *(-part for part in parts)]))
        options = torch.cartesian_prod(*(torch.arange(len(rows)) for rows in kept))
        terms = options.view(-1, len(kept))[1:].to(x.device).unbind(1)  # without b itself
        y = torch.stack([rows[term] for rows, term in zip(kept, terms, strict=True)], -1)
        factors = (rows[term] for rows, term in zip(weights, terms, strict=True))
        weight = reduce(torch.mul, factors)
        total: Tensor = -(weight * prescribed(y.flatten(0, 1)).view(weight.shape)).sum(0)
        return total

    def _sides(self, i: int) -> list[Literal["low", "high"]]:
        """The sides of a coordinate that belong to the boundary."""
        return [side for coordinate, side in self.faces if coordinate == i]

    def _edge(self, face: Face) -> float:
        i, side = face
        return self.box[i][side == "high"]


class Circle(Boundary):
    """The boundary of a disk; ``w = 1 - |x - c|^2 / R^2``.

    References: arXiv:physics/9705023.

    >>> Circle(Disk()).cutoff(torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
    tensor([1., 0.])

    Args:
        disk: The disk.
    """

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n 2"]:
        angle = 2 * math.pi * torch.rand(n, generator=generator, dtype=dtype)
        unit = torch.stack((angle.cos(), angle.sin()), 1)
        return unit.new_tensor(self.disk.center) + self.disk.radius * unit

    def cutoff(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return 1 - (x - x.new_tensor(self.disk.center)).square().sum(1) / self.disk.radius**2


class Polygon(Boundary):
    """A closed line through corners of the plane.

    References: doi:10.1115/1.3005099 (R-functions, of which a cutoff can be made).

    >>> triangle = Polygon([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)], cutoff=lambda x: x.prod(1))
    >>> triangle.sample(5, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([5, 2])

    Args:
        corners: In order; the last one is joined to the first.
        cutoff: ``w`` of the polygon.
    """

    def __init__(self, corners: Sequence[tuple[float, float]], *, cutoff: Function) -> None:
        self.corners = list(corners)
        self._cutoff = cutoff

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n 2"]:
        start = torch.tensor(self.corners, dtype=dtype)
        side = start.roll(-1, 0) - start
        chosen = torch.multinomial(side.norm(dim=1), n, replacement=True, generator=generator)
        along = torch.rand(n, 1, generator=generator, dtype=dtype)
        return start[chosen] + along * side[chosen]

    def cutoff(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return self._cutoff(x)
