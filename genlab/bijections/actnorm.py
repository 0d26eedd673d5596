"""A learned scale and shift for each coordinate or channel, which standardise the first rows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.standardise import mean_and_log_scale

__all__ = ["ActNorm"]


class ActNorm(Bijection):
    """``z = x exp(s) + b`` (Kingma, Dhariwal, "Glow", 2018, section 3.1).

    All pixels of a channel of an image, ``[n, channels, h, w]``, share their scale and shift. The
    identity until `initialise` sees data; no hidden state switches on a first call.

    Args:
        dim: Number of coordinates, or of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        scale, shift = self.log_scale.exp(), self.shift
        z = torch.addcmul(_beside(shift, x), x, _beside(scale, x))
        return z, self._log_det(x)

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        scale = (-self.log_scale).exp()
        return (z - _beside(self.shift, z)) * _beside(scale, z), -self._log_det(z)

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n d *pixels"]:
        mean, log_scale = mean_and_log_scale(x.movedim(1, -1).flatten(0, -2))
        self.log_scale.copy_(-log_scale)
        self.shift.copy_(-mean * (-log_scale).exp())
        return self.forward(x)[0]

    def _log_det(self, x: Tensor) -> Float[Tensor, " n"]:
        pixels = x.shape[2:].numel()
        return (pixels * self.log_scale.sum()).expand(len(x))


def _beside(values: Float[Tensor, " d"], x: Tensor) -> Tensor:
    """One value for each channel, shaped to be combined with images."""
    return values if x.ndim == 2 else values.view(-1, *[1] * (x.ndim - 2))
