"""Images of half the size, with four times the channels."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

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
        return pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(
        self, z: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n _ _ _"], Float[Tensor, " n"]]:
        return pixel_shuffle(z, 2), z.new_zeros(len(z))
