"""How a coupling divides the coordinates into those that pass and those that are mapped."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["ChannelSplit", "CheckerboardSplit", "HalfSplit", "WholeSplit"]


class HalfSplit:
    """The two halves of a vector: ``x = (x_a, x_b)``, or ``(x_b, x_a)`` where ``flip`` is set.

    Args:
        dim: Number of coordinates, at least 2.
        flip: Let the first half be mapped, and the second half pass.

    Attributes:
        passive: Number of coordinates of ``x_a``, which pass unchanged.
        active: Number of coordinates of ``x_b``, which are mapped.
        places: Which half passes and which is mapped, 0 for the first and 1 for the second.
        columns: The coordinates of the first half and of the second.

    Raises:
        ValueError: There is nothing to split.
    """

    def __init__(self, dim: int, *, flip: bool = False) -> None:
        if dim < 2:
            raise ValueError(f"event_shape: a coupling needs at least 2 coordinates, got {dim}")
        self.sizes = (dim // 2, dim - dim // 2)
        self.columns = (slice(0, dim // 2), slice(dim // 2, dim))
        self.places = (1, 0) if flip else (0, 1)
        self.passive, self.active = (self.sizes[place] for place in self.places)

    def separate(
        self, x: Float[Tensor, "n d *pixels"]
    ) -> tuple[Float[Tensor, "n a *pixels"], Float[Tensor, "n b *pixels"]]:
        """``x`` to ``(x_a, x_b)``."""
        halves = self.halves(x)
        passive, active = self.places
        return halves[passive], halves[active]

    def halves(self, x: Float[Tensor, "n d *pixels"]) -> list[Tensor]:
        """The first and the second half of ``x``, whichever of them is mapped."""
        return list(x.split(self.sizes, dim=1))

    def join(self, x_a: Float[Tensor, "*n a"], x_b: Float[Tensor, "*n b"]) -> Float[Tensor, "*n d"]:
        """``(x_a, x_b)`` back to ``x``."""
        return torch.cat((x_a, x_b) if self.places == (0, 1) else (x_b, x_a), dim=-1)


class WholeSplit(HalfSplit):
    """Nothing passes and all of ``x`` is mapped: for couplings by the context alone.

    Args:
        dim: Number of coordinates.
    """

    def __init__(self, dim: int) -> None:
        self.sizes, self.places = (0, dim), (0, 1)
        self.columns = (slice(0, 0), slice(0, dim))
        self.passive, self.active = self.sizes


class ChannelSplit(HalfSplit):
    """The two halves of the channels of an image, ``[n, channels, h, w]``.

    Args:
        dim: Number of channels, at least 2.
        flip: Let the first half be mapped, and the second half pass.
    """

    def join(
        self, x_a: Float[Tensor, "n a h w"], x_b: Float[Tensor, "n b h w"]
    ) -> Float[Tensor, "n c h w"]:
        return torch.cat((x_a, x_b) if self.places == (0, 1) else (x_b, x_a), dim=1)


class CheckerboardSplit(HalfSplit):
    """The fields of one colour of a checkerboard, and those of the other.

    For an image that `Squeeze` has brought to ``[n, 4 c, h, w]``: of the four pixels of each
    square, the two on the diagonal are of one colour (Dinh, Sohl-Dickstein, Bengio, "Real NVP",
    2017, figure 3). So networks see whole squares, and compute nothing that is masked afterwards.

    Args:
        dim: Number of channels of the squeezed image, ``4 c``.
        flip: Let the diagonal pixels be mapped, and the others pass.
    """

    def halves(self, x: Float[Tensor, "n c h w"]) -> list[Tensor]:
        first, second, third, fourth = x.unflatten(1, (-1, 4)).unbind(2)
        return [torch.cat((first, fourth), dim=1), torch.cat((second, third), dim=1)]

    def join(
        self, x_a: Float[Tensor, "n a h w"], x_b: Float[Tensor, "n b h w"]
    ) -> Float[Tensor, "n c h w"]:
        diagonal, other = (x_a, x_b) if self.places == (0, 1) else (x_b, x_a)
        (first, fourth), (second, third) = diagonal.chunk(2, dim=1), other.chunk(2, dim=1)
        return torch.stack((first, second, third, fourth), dim=2).flatten(1, 2)
