"""How a coupling divides the coordinates into those that pass and those that are mapped."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["HalfSplit"]


class HalfSplit:
    """The two halves of a vector: ``x = (x_a, x_b)``, or ``(x_b, x_a)`` where ``flip`` is set.

    Args:
        dim: Number of coordinates, at least 2.
        flip: Let the first half be mapped, and the second half pass.

    Attributes:
        passive: Number of coordinates of ``x_a``, which pass unchanged.
        active: Number of coordinates of ``x_b``, which are mapped.

    Raises:
        ValueError: There is nothing to split.
    """

    def __init__(self, dim: int, *, flip: bool = False) -> None:
        if dim < 2:
            raise ValueError(f"event_shape: a coupling needs at least 2 coordinates, got {dim}")
        self.flip = flip
        self.sizes = (dim // 2, dim - dim // 2)
        self.active, self.passive = self.sizes if flip else self.sizes[::-1]

    def separate(
        self, x: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "n a"], Float[Tensor, "n b"]]:
        """``x`` to ``(x_a, x_b)``."""
        first, second = x.split(self.sizes, dim=1)
        return (second, first) if self.flip else (first, second)

    def join(self, x_a: Float[Tensor, "n a"], x_b: Float[Tensor, "n b"]) -> Float[Tensor, "n d"]:
        """``(x_a, x_b)`` back to ``x``."""
        return torch.cat((x_b, x_a) if self.flip else (x_a, x_b), dim=1)
