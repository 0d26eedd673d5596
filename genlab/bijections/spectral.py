"""Standardisation of periodic fields, mode by mode."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.fields import ModeClasses, averaged, filtered, mode_classes, power

__all__ = ["SpectralStandardise"]

EMPTY = 1e-10
"""Share of the mean variance below which a mode holds nothing but the rounding of float32."""


class SpectralStandardise(Bijection):
    """``z^_k = (w - mean)^_k / sqrt(lambda_k)``: fields become as white as their variances allow.

    The modes are those of the unitary DFT, so that ``log|det| = -1/2 sum_k log lambda_k``. White
    noise as the base makes it the stationary Gaussian of the data's spectrum; translations, and the
    symmetries that modes are averaged over, commute with it. Fixed buffers, set by `initialise`
    from a sample; modes that are empty keep the least scale that float32 resolves.

    References: Bell, Sejnowski, "The 'independent components' of natural scenes are edge filters",
    1997, doi:10.1016/S0042-6989(97)00121-1 (zero-phase whitening).

    >>> import genlab, torch
    >>> layer = genlab.bijections.SpectralStandardise(torch.ones(1, 5, 5))
    >>> z = layer.initialise(2 + 3 * torch.randn(2000, 1, 5, 5))
    >>> bool((z.std() - 1).abs() < 1e-3), bool(z.mean().abs() < 1e-3)
    (True, True)

    Args:
        variances: ``lambda_k`` of each channel in the layout of the DFT, ``lambda_k = lambda_-k``.
        mean: Of each channel; 0 if None.
        alike: The modes that `initialise` averages over: ``orbits`` of the square's symmetries,
            ``shells`` of one ``|k|``, or ``modes``, k and -k alone, for laws that have neither.

    Raises:
        ValueError: The fields are not square.
    """

    mean: Float[Tensor, " c"]
    log_scale: Float[Tensor, "c h h"]

    def __init__(
        self,
        variances: Float[Tensor, "c h w"],
        mean: Float[Tensor, " c"] | None = None,
        *,
        alike: ModeClasses = "orbits",
    ) -> None:
        super().__init__()
        channels, height, width = variances.shape
        if height != width:
            raise ValueError(f"variances: expected square fields, got {height} x {width}")
        self.alike: ModeClasses = alike
        dtype = torch.get_default_dtype()
        zero = variances.new_zeros(channels)
        self.register_buffer("mean", (zero if mean is None else mean).to(dtype))
        self.register_buffer("log_scale", 0.5 * variances.log().to(dtype))

    def forward(
        self, x: Float[Tensor, "n c h h"], context: Float[Tensor, "n d"] | None = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        z = filtered(x - self.mean[:, None, None], (-self.log_scale).exp())
        return z, -self.log_scale.sum().expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n c h h"], context: Float[Tensor, "n d"] | None = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        x = filtered(z, self.log_scale.exp()) + self.mean[:, None, None]
        return x, self.log_scale.sum().expand(len(z))

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n c h h"], context: Float[Tensor, "n d"] | None = None
    ) -> Float[Tensor, "n c h h"]:
        mean = x.mean((0, 2, 3))
        classes = mode_classes(x.shape[-1], self.alike)
        variances = averaged(power(x - mean[:, None, None]).mean(0), classes)
        whole = variances.mean((1, 2), keepdim=True)
        whole = whole.where(whole > 0, 1.0)
        self.mean.copy_(mean)
        self.log_scale.copy_(0.5 * variances.clamp_min(EMPTY * whole).log())
        return self.forward(x)[0]

    def extra_repr(self) -> str:
        return f"{list(self.log_scale.shape)}, alike={self.alike}"
