"""An invertible 1 x 1 convolution, kept in its LU factors."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from genlab.bijections.lu_linear import LULinear

__all__ = ["LUConv"]


class LUConv(LULinear):
    """``z_p = L U x_p + b`` at each pixel ``p`` of an image, ``[n, channels, h, w]``.

    ``log|det| = h w sum log U_ii`` (Kingma, Dhariwal, "Glow", 2018, section 3.2). It starts as the
    identity.

    Args:
        dim: Number of channels.
        max_log_diagonal: Bound on ``|log U_ii|``, approached smoothly.
    """

    def forward(
        self, x: Float[Tensor, "n d h w"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, " n"]]:
        pixels = x.movedim(1, -1)
        z, log_det = super().forward(pixels.flatten(0, -2))
        return z.view(pixels.shape).movedim(-1, 1), log_det.view(*pixels.shape[:3]).sum((1, 2))

    def inverse(
        self, z: Float[Tensor, "n d h w"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, " n"]]:
        pixels = z.movedim(1, -1)
        x, log_det = super().inverse(pixels.flatten(0, -2))
        return x.view(pixels.shape).movedim(-1, 1), log_det.view(*pixels.shape[:3]).sum((1, 2))
