"""A box to the unit cube."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.errors import UserError

__all__ = ["Box", "UnitBox"]

Box = Sequence[float] | Sequence[Sequence[float]]
"""One interval ``[low, high]`` for all coordinates, or one for each of them."""


class UnitBox(Bijection):
    """``u = (x - low) / (high - low)``, from a box to the unit cube; fixed.

    Outside the closed box, where a density is 0, the log-determinant is ``-inf`` and ``u`` is that
    of the nearest point inside: never NaN, never an infinite gradient. What `inverse` returns lies
    strictly inside the box, also after rounding.

    Near an edge no rounding is lost: distances are taken from either edge, each of which is held as
    the nearest number of the type and what that leaves.

    Args:
        box: The intervals.
        dim: Number of coordinates.

    Raises:
        ValueError: There are too many or too few intervals, or one is empty or infinite.
    """

    low: Float[Tensor, " d"]
    high: Float[Tensor, " d"]
    low_rest: Float[Tensor, " d"]
    high_rest: Float[Tensor, " d"]

    def __init__(self, box: Box, dim: int) -> None:
        super().__init__()
        self.intervals = _intervals(box, dim)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        present = self._buffers.get("low")
        dtype = torch.get_default_dtype() if present is None else present.dtype
        low, high = torch.tensor(self.intervals, dtype=torch.float64).unbind(1)
        rests = {"low_rest": low - low.to(dtype), "high_rest": high - high.to(dtype)}
        return {"low": low, "high": high} | rests

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self.sides(x)[0], self.log_det(x)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self.between(z, 1 - z), self.log_volume.expand(len(z))

    def initialise(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n d"]:
        """Pass the data on.

        Raises:
            UserError: Some of them lie outside the box.
        """
        low, high = x.amin(0), x.amax(0)
        for i in ((low < self.low) | (high > self.high)).nonzero().flatten().tolist():
            raise UserError(
                f"model.bounded: coordinate {i + 1} of the data reaches from {low[i]:.6g} to "
                f"{high[i]:.6g}, but its interval is [{self.low[i]:.6g}, {self.high[i]:.6g}]"
            )
        return self.forward(x)[0]

    def sides(self, x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """``u`` and ``1 - u``, the distances from both edges, each with all its digits."""
        x, side = self._inside(x), self.high - self.low
        from_low, from_high = x - self.low - self.low_rest, self.high - x + self.high_rest
        # An edge that is rounded outwards may have a number before it.
        return _apart(from_low / side), _apart(from_high / side)

    def between(self, u: Float[Tensor, "n d"], rest: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The point at ``u`` and ``1 - u``: from the edge that is nearer."""
        side = self.high - self.low
        from_low = self.low + (self.low_rest + side * _apart(u))
        from_high = self.high + (self.high_rest - side * _apart(rest))
        return self._inside(torch.where(u < rest, from_low, from_high))

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """Which points lie in the closed box."""
        return ((x >= self.low) & (x <= self.high)).all(1)

    def _inside(self, x: Tensor) -> Tensor:
        return x.clamp(self.low.nextafter(self.high), self.high.nextafter(self.low))

    def log_det(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The log-determinant of `forward`."""
        return torch.where(self.contains(x), -self.log_volume, -torch.inf)

    @property
    def log_volume(self) -> Float[Tensor, ""]:
        """The logarithm of the volume of the box."""
        return (self.high - self.low).log().sum()

    def extra_repr(self) -> str:
        return ", ".join(f"[{low:g}, {high:g}]" for low, high in self.intervals)


def _apart(u: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """A distance that is at least what the type tells from none."""
    return u.clamp_min(torch.finfo(u.dtype).eps ** 2)


def _intervals(box: Box, dim: int) -> list[tuple[float, float]]:
    rows: Sequence[Any] = box if any(isinstance(row, Sequence) for row in box) else dim * [box]
    if len(rows) != dim or any(not isinstance(row, Sequence) or len(row) != 2 for row in rows):
        raise ValueError(
            f"bounded={list(box)}: expected [low, high], or such a pair for each of {dim} "
            "coordinates"
        )
    for low, high in rows:
        if not 0 < high - low < float("inf"):
            raise ValueError(f"bounded={list(box)}: expected low < high, both finite")
    return [(low, high) for low, high in rows]
