"""The part of a domain's boundary where a solution is known, and functions built from it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genlab.errors import UserError
from genlab.pde.domain import Box, Domain
from genlab.pde.pieces import BoxFace, draw, normals

__all__ = ["Boundary", "Faces", "WholeBoundary", "rows_at_once"]

Function = Callable[[Float[Tensor, "n d"]], Float[Tensor, " n"]]
Face = tuple[int, Literal["low", "high"]]

# Boundary values that are computed together: what a lift holds in memory.
VALUES_AT_ONCE = 2**18

LOOKED_AT, MEASURED = 2**12, 2**16
"""Points on pieces that tell where a level vanishes, and how much of them is boundary."""

BESIDE = 1e-6
"""Of the domain's size: just off its boundary, though points in single precision miss that."""

NEARLY = 1e-9
"""Of the domain's size, or of its level: less is zero."""


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
        measure: Its length, its area in space, or the number of points on a line.
    """

    has_cutoff: bool = True
    measure: float

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

    Raises:
        UserError: The box has no such face.
    """

    def __init__(self, box: Box, faces: Sequence[Face] | None = None) -> None:
        every: list[Face] = [(i, side) for i in range(box.dim) for side in ("low", "high")]
        for face in faces or ():
            if face not in every:
                raise UserError(f"faces has {face}, expected some of {', '.join(map(str, every))}")
        self.box = box.box
        self.faces = list(every if faces is None else faces)
        self._pieces = [BoxFace(box.box, i, high=side == "high") for i, side in self.faces]
        self.measure = sum(piece.measure for piece in self._pieces)

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
        return normals(self._pieces, x)

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


class WholeBoundary(Boundary):
    """The whole boundary of a domain; the cutoff is the domain's level, made of R-functions.

    References: doi:10.1115/1.3005099.

    >>> from genlab.pde import Disk
    >>> boundary = WholeBoundary(Disk(radius=2.0) - Disk())
    >>> boundary.normal(torch.tensor([[2.0, 0.0], [1.0, 0.0]]))
    tensor([[ 1.,  0.],
            [-1., -0.]])

    Args:
        domain: The domain.

    Attributes:
        has_cutoff: Whether the level vanishes on the boundary only: not where parts of a union
            touch without overlapping.
        measure: An estimate where the domain has trimmed pieces.

    Raises:
        UserError: The boundary of the domain is not known.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.pieces = domain.pieces
        self._scale = max(high - low for low, high in domain.box)
        self.has_cutoff = not self._vanishes_inside()
        self.measure = sum(piece.measure for piece in self.pieces)
        if domain.has_trimmed_pieces:
            x, chosen = draw(self.pieces, MEASURED, generator=_fixed(), dtype=torch.float64)
            self.measure *= float(self._counts(x, chosen).double().mean())

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        if not self.domain.has_trimmed_pieces:
            return draw(self.pieces, n, generator=generator, dtype=dtype)[0]
        accepted: list[Tensor] = []
        while sum(map(len, accepted)) < n:
            x, chosen = draw(self.pieces, 2 * n + 16, generator=generator, dtype=torch.float64)
            accepted.append(x[self._counts(x, chosen)])
        return torch.cat(accepted)[:n].to(dtype or torch.get_default_dtype())

    def cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        if not self.has_cutoff:
            raise UserError(
                "domain: parts of it touch without overlapping, and no cutoff is known that does "
                "not vanish between them\nlet them overlap, or draw them as one Polygon"
            )
        return self.domain.level(x)

    def normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        unit = normals(self.pieces, x)
        if not self.domain.has_trimmed_pieces:
            return unit
        behind, _ = self._sides(x, unit)
        return torch.where(behind[:, None], unit, -unit)

    def _sides(
        self, x: Float[Tensor, "n d"], unit: Float[Tensor, "n d"]
    ) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " n"]]:
        """Whether the domain lies behind points of pieces, and ahead of them."""
        place, step = x.double(), BESIDE * self._scale * unit.double()
        return self.domain.contains(place - step), self.domain.contains(place + step)

    def _counts(self, x: Float[Tensor, "n d"], chosen: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Whether points of the chosen pieces are of the boundary, and on no earlier piece."""
        counts = torch.zeros_like(chosen, dtype=torch.bool)
        for number, piece in enumerate(self.pieces):
            y = x[chosen == number]
            behind, ahead = self._sides(y, piece.normal(y))
            kept = behind != ahead
            for earlier in self.pieces[:number]:
                kept &= earlier.distance(y) > NEARLY * self._scale
            counts[chosen == number] = kept
        return counts

    def _vanishes_inside(self) -> bool:
        for leaf in self.domain.leaves:
            x, _ = draw(leaf.pieces, LOOKED_AT, generator=_fixed(), dtype=torch.float64)
            behind, ahead = self._sides(x, normals(leaf.pieces, x))
            if bool((self.domain.level(x[behind & ahead]) <= NEARLY).any()):
                return True
        return False


def _fixed() -> torch.Generator:
    return torch.Generator().manual_seed(0)
