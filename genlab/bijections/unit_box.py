"""A box to the unit cube."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    Args:
        box: The intervals.
        dim: Number of coordinates.

    Raises:
        ValueError: There are too many or too few intervals, or one is empty or infinite.
    """

    low: Float[Tensor, " d"]
    high: Float[Tensor, " d"]

    def __init__(self, box: Box, dim: int) -> None:
        super().__init__()
        self.intervals = _intervals(box, dim)
        self.register_buffer("low", torch.zeros(dim), persistent=False)
        self.register_buffer("high", torch.zeros(dim), persistent=False)
        self._set_edges()

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        side = self.high - self.low
        u = (self._inside(x) - self.low) / side
        return u, torch.where(self.contains(x), -side.log().sum(), -torch.inf)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        side = self.high - self.low
        return self._inside(torch.addcmul(self.low, z, side)), side.log().sum().expand(len(z))

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

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """Which points lie in the closed box."""
        return ((x >= self.low) & (x <= self.high)).all(1)

    def _inside(self, x: Tensor) -> Tensor:
        return x.clamp(self.low.nextafter(self.high), self.high.nextafter(self.low))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> UnitBox:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # As they were given, not as rounded to the type that the model had before.
        self._set_edges()
        return self

    def _set_edges(self) -> None:
        self.low, self.high = self.low.new_tensor(self.intervals).unbind(1)

    def extra_repr(self) -> str:
        return ", ".join(f"[{low:g}, {high:g}]" for low, high in self.intervals)


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
