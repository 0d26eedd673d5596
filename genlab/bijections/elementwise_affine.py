"""Scales and shifts of each coordinate: learned, or the statistics of the data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.nn.context import Context

__all__ = ["ActNorm", "Scaling", "Standardise", "mean_and_log_scale"]


class Standardise(Bijection):
    """``z = (x - mean) / scale`` with the statistics of a sample, fixed buffers.

    References: arXiv:1912.02762.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Standardise((2,))
    >>> z = layer.initialise(5 + 3 * torch.randn(1000, 2))
    >>> bool(z.mean().abs() < 1e-3)
    True

    Args:
        event_shape: Shape of one sample.
        untouched: Coordinates that keep their units, such as angles; those of arrays are counted
            row by row.
    """

    mean: Float[Tensor, "*event"]
    log_scale: Float[Tensor, "*event"]

    def __init__(self, event_shape: tuple[int, ...], *, untouched: Sequence[int] = ()) -> None:
        super().__init__()
        self.untouched = list(untouched)
        self.register_buffer("mean", torch.zeros(event_shape))
        self.register_buffer("log_scale", torch.zeros(event_shape))

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        z = (x - self.mean) * (-self.log_scale).exp()
        return z, -self.log_scale.sum().expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        x = torch.addcmul(self.mean, z, self.log_scale.exp())
        return x, self.log_scale.sum().expand(len(z))

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        mean, log_scale = mean_and_log_scale(x)
        self.mean.copy_(mean)
        self.log_scale.copy_(log_scale)
        for units in (self.mean, self.log_scale):
            units.view(-1)[self.untouched] = 0
        return self.forward(x)[0]


def mean_and_log_scale(
    x: Float[Tensor, "n *event"],
) -> tuple[Float[Tensor, "*event"], Float[Tensor, "*event"]]:
    """Mean and log standard deviation of each coordinate; a constant one keeps its scale."""
    std, mean = torch.std_mean(x, dim=0, correction=0)
    return mean, torch.where(std > 0, std, torch.ones_like(std)).log()


class Scaling(Bijection):
    """``z = x exp(s)``, ``log|det| = sum s``: NICE's last layer (Dinh et al., 2015, section 3.3).

    References: arXiv:1410.8516.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Scaling(2)
    >>> z, log_det = layer(torch.randn(5, 2))
    >>> log_det.abs().max().item()
    0.0

    Args:
        dim: Number of coordinates.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return z * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(z))


class ActNorm(Bijection):
    """``z = x exp(s) + b`` (Kingma, Dhariwal, "Glow", 2018, section 3.1).

    All pixels of a channel of an image, ``[n, channels, h, w]``, share their scale and shift. The
    identity until `initialise` sees data; no hidden state switches on a first call.

    References: arXiv:1807.03039.

    >>> import genlab, torch
    >>> layer = genlab.bijections.ActNorm(2)
    >>> z = layer.initialise(5 + 3 * torch.randn(1000, 2))
    >>> bool(z.mean().abs() < 1e-3)
    True

    Args:
        dim: Number of coordinates, or of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        scale, shift = self.log_scale.exp(), self.shift
        z = torch.addcmul(_beside(shift, x), x, _beside(scale, x))
        return z, self._log_det(x)

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        scale = (-self.log_scale).exp()
        return (z - _beside(self.shift, z)) * _beside(scale, z), -self._log_det(z)

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n d *pixels"], context: Context = None
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
