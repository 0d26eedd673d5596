"""Images of half the size, with four times the channels."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from genlab.bijections.bijection import Bijection

__all__ = ["Squeeze"]


class Squeeze(Bijection):
    """``[n, c, h, w]`` to ``[n, 4 c, h/2, w/2]``, of log-determinant 0.

    Each square of 2 x 2 pixels becomes one pixel of four channels, in the order of reading (Dinh,
    Sohl-Dickstein, Bengio, "Real NVP", 2017, section 3.6). Height and width must be even.
    """

    def forward(
        self, x: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n _ _ _"], Float[Tensor, " n"]]:
        squares = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        # Not `pixel_unshuffle`: it leaves the shape of an empty batch as it is.
        return squares.permute(0, 1, 3, 5, 2, 4).flatten(1, 3), x.new_zeros(len(x))

    def inverse(
        self, z: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n _ _ _"], Float[Tensor, " n"]]:
        squares = z.unflatten(1, (-1, 2, 2)).permute(0, 1, 4, 2, 5, 3)
        return squares.flatten(4).flatten(2, 3), z.new_zeros(len(z))
