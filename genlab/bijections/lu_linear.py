"""A trainable invertible matrix in its LU factors, of coordinates or of channels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.nn.context import Context
from genlab.nn.smooth import soft_clamp

__all__ = ["LUConv", "LULinear"]


class LULinear(Bijection):
    """``z = L U x + b`` with a unit-diagonal ``L``: ``log|det| = sum log U_ii``.

    ``log U_ii`` is bounded, so the matrix stays invertible; the inverse is two triangular solves
    (Kingma, Dhariwal, "Glow", 2018, equation 10; Oliva et al., "Transformation autoregressive
    networks", 2018). It starts as the identity.

    References: arXiv:1807.03039, arXiv:1801.09819.

    >>> import genlab, torch
    >>> layer = genlab.bijections.LULinear(2)
    >>> z, log_det = layer(torch.randn(5, 2))
    >>> z.shape, log_det.shape
    (torch.Size([5, 2]), torch.Size([5]))

    Args:
        dim: Number of coordinates.
        max_log_diagonal: Bound on ``|log U_ii|``, approached smoothly.
    """

    def __init__(self, dim: int, *, max_log_diagonal: float = 3.0) -> None:
        super().__init__()
        self.max_log_diagonal = max_log_diagonal
        self.lower = nn.Parameter(torch.zeros(dim, dim))
        self.upper = nn.Parameter(torch.zeros(dim, dim))
        self.log_diagonal = nn.Parameter(torch.zeros(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        lower, upper, log_diagonal = self._factors()
        z = torch.addmm(self.bias, x, (lower @ upper).mT)
        return z, log_diagonal.sum().expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        lower, upper, log_diagonal = self._factors()
        # Half precision cannot be solved in.
        solvable = torch.promote_types(z.dtype, torch.float32)
        lower, upper, columns = (part.to(solvable) for part in (lower, upper, (z - self.bias).mT))
        columns = torch.linalg.solve_triangular(lower, columns, upper=False, unitriangular=True)
        columns = torch.linalg.solve_triangular(upper, columns, upper=True)
        return columns.mT.to(z.dtype), -log_diagonal.sum().expand(len(z))

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        log_diagonal = soft_clamp(self.log_diagonal, self.max_log_diagonal)
        identity = torch.eye(
            len(log_diagonal), dtype=log_diagonal.dtype, device=log_diagonal.device
        )
        lower = self.lower.tril(-1) + identity
        upper = self.upper.triu(1) + log_diagonal.exp().diag()
        return lower, upper, log_diagonal


class LUConv(LULinear):
    """``z_p = L U x_p + b`` at each pixel ``p`` of an image, ``[n, channels, h, w]``.

    ``log|det| = h w sum log U_ii`` (Kingma, Dhariwal, "Glow", 2018, section 3.2). It starts as the
    identity.

    References: arXiv:1807.03039.

    >>> import genlab, torch
    >>> layer = genlab.bijections.LUConv(4)
    >>> z, log_det = layer(torch.randn(5, 4, 8, 8))
    >>> z.shape, log_det.shape
    (torch.Size([5, 4, 8, 8]), torch.Size([5]))

    Args:
        dim: Number of channels.
        max_log_diagonal: Bound on ``|log U_ii|``, approached smoothly.
    """

    def forward(
        self, x: Float[Tensor, "n d h w"], context: Context = None
    ) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, " n"]]:
        pixels = x.movedim(1, -1)
        z, log_det = super().forward(pixels.flatten(0, -2))
        return z.view(pixels.shape).movedim(-1, 1), log_det.view(*pixels.shape[:3]).sum((1, 2))

    def inverse(
        self, z: Float[Tensor, "n d h w"], context: Context = None
    ) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, " n"]]:
        pixels = z.movedim(1, -1)
        x, log_det = super().inverse(pixels.flatten(0, -2))
        return x.view(pixels.shape).movedim(-1, 1), log_det.view(*pixels.shape[:3]).sum((1, 2))
