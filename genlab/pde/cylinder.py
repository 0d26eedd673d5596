"""Domains of space and time: a domain of space, over an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.errors import UserError
from genlab.pde.boundary import Boundary, Faces, WholeBoundary
from genlab.pde.domain import Box, Domain

__all__ = ["Cylinder", "CylinderBoundary"]

Part = Literal["lateral", "bottom", "top"]
PARTS: tuple[Part, ...] = ("lateral", "bottom", "top")
PARABOLIC: tuple[Part, ...] = ("lateral", "bottom")

NEARLY = 1e-7
"""Of the largest time: what single precision rounds, as points are drawn in it."""


class Cylinder(Domain):
    """The space-time cylinder ``Omega x [t_0, t_1]``, with time as the last coordinate.

    >>> from genlab.pde import Disk
    >>> cylinder = Cylinder(Disk(), (0.0, 2.0))
    >>> cylinder.box, round(cylinder.volume, 3)
    (((-1.0, 1.0), (-1.0, 1.0), (0.0, 2.0)), 6.283)

    Args:
        space: The domain ``Omega`` of space.
        time: The interval.

    Raises:
        UserError: The interval is empty.
    """

    def __init__(self, space: Domain, time: Sequence[float]) -> None:
        start, end = time
        if not start < end:
            raise UserError(f"time: expected start < end, got [{start:g}, {end:g}]")
        super().__init__([*space.box, (start, end)])
        self.space = space
        self.volume = space.volume * (end - start)
        self.has_exact_volume = space.has_exact_volume
        self.is_box = space.is_box

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        start, end = self.box[-1]
        return self.space.contains(x[:, :-1]) & (x[:, -1] >= start) & (x[:, -1] <= end)

    def interior(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        start, end = self.box[-1]
        return self.space.interior(x[:, :-1]) & (x[:, -1] > start) & (x[:, -1] < end)


class CylinderBoundary(Boundary):
    """Parts of the boundary of a space-time cylinder, by default its parabolic boundary.

    That is the lateral side, where ``x`` is on the boundary of ``Omega``, and the bottom ``t_0``;
    the top is ``t_1``. The cutoff is that of ``Omega`` times ``s``, ``1 - s`` or ``4 s (1 - s)``,
    where ``s`` is the share of time that has passed.

    References: arXiv:physics/9705023.

    >>> from genlab.pde import Disk
    >>> boundary = CylinderBoundary(Cylinder(Disk(), (0.0, 2.0)))
    >>> boundary.cutoff(torch.tensor([[0.0, 0.0, 1.0], [0.6, 0.8, 1.0], [0.0, 0.0, 0.0]]))
    tensor([0.5000, 0.0000, 0.0000])

    Args:
        cylinder: The cylinder.
        parts: Some of ``lateral``, ``bottom`` and ``top``.

    Raises:
        UserError: No part or an unknown one, or the boundary of ``Omega`` is not known.
    """

    def __init__(self, cylinder: Cylinder, parts: Sequence[Part] = PARABOLIC) -> None:
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise UserError(f"parts: expected some of {', '.join(PARTS)}, got {list(parts)}")
        space, (start, end) = cylinder.space, cylinder.box[-1]
        self.cylinder = cylinder
        self.parts = [part for part in PARTS if part in parts]
        self.measures = {"lateral": 0.0, "bottom": space.volume, "top": space.volume}
        if "lateral" in parts:
            side = Faces(space) if isinstance(space, Box) else WholeBoundary(space)
            self.side: Boundary = side
            self.has_cutoff = side.has_cutoff
            self.measures["lateral"] = side.measure * (end - start)
        self.measure = sum(self.measures[part] for part in self.parts)

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        x = self.cylinder.sample(n, generator=generator, dtype=dtype)
        measures = x.new_tensor([self.measures[part] for part in self.parts])
        chosen = torch.multinomial(measures, n, replacement=True, generator=generator)
        for number, part in enumerate(self.parts):
            rows = (chosen == number).nonzero().squeeze(1)
            if part == "lateral" and len(rows) > 0:
                x[rows, :-1] = self.side.sample(len(rows), generator=generator, dtype=dtype)
            elif part != "lateral":
                x[rows, -1] = self.cylinder.box[-1][part == "top"]
        return x

    def cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        start, end = self.cylinder.box[-1]
        share = (x[:, -1] - start) / (end - start)
        value = self.side.cutoff(x[:, :-1]) if "lateral" in self.parts else torch.ones_like(share)
        if "bottom" in self.parts:
            value = value * share
        if "top" in self.parts:
            value = value * (4 if "bottom" in self.parts else 1) * (1 - share)
        return value

    def normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        unit = torch.zeros_like(x)
        start, end = self.cylinder.box[-1]
        if "lateral" in self.parts:
            unit[:, :-1] = self.side.normal(x[:, :-1])
        little = NEARLY * max(abs(start), abs(end))
        bottom, top = x[:, -1] <= start + little, x[:, -1] >= end - little
        for part, on, sign in (("bottom", bottom, -1), ("top", top, 1)):
            if part in self.parts:
                unit[on] = 0
                unit[on, -1] = sign
        return unit
