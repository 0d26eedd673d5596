"""Standardisation of periodic fields by what means of blocks tell of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.spectral import EMPTY, SpectralStandardise
from genlab.fields import ModeClasses, block_means, block_shares, block_spectrum, filtered
from genlab.nn.context import Context

__all__ = ["PosteriorStandardise"]


class PosteriorStandardise(SpectralStandardise):
    """``z = C^{-1/2} (w - E[w | y])``: white noise, were the field Gaussian and y its block means.

    With ``v = Lambda^{-1/2} (w - mean)``, white as of `SpectralStandardise`, and ``y = a A w + b +
    e``, ``e ~ N(0, s)``, where A takes the means of blocks of points, the Gaussian posterior of v
    has mean ``U (kappa + s)^-1 (y - E y)`` and covariance ``1 - U (kappa + s)^-1 U'``, with ``U = a
    Lambda^{1/2} A'``. ``U'U = kappa`` is diagonal in the modes q of the coarse grid
    (`genlab.fields.block_spectrum`), so that the symmetric root of this covariance is ``1 - U ((1 -
    r) / kappa) U'`` with ``r^2 = s / (kappa + s)``, and ``log|det dz/dw| = -1/2 sum_k log lambda_k
    - sum_q log r_q``.

    With white noise as the base it is the posterior of the Gaussian with the data's spectrum; what
    a model adds reaches the block means smaller by a factor of r. Fixed buffers, set by
    `initialise` from a sample: a, b and s by least squares, in the units that y comes in.

    References: Rue, Held, "Gaussian Markov random fields", 2005, doi:10.1201/9780203492024
    (conditioning on what is seen linearly, with noise).

    >>> import genlab, torch
    >>> layer = genlab.bijections.PosteriorStandardise(torch.ones(1, 6, 6), factor=3)
    >>> w = torch.randn(2000, 1, 6, 6)
    >>> y = genlab.fields.block_means(w, 3).flatten(1)
    >>> z = layer.initialise(w, y + 0.1 * torch.randn(2000, 4))
    >>> bool((z.std() - 1).abs() < 0.01)
    True

    Args:
        variances: ``lambda_k`` of each channel in the layout of the DFT, ``lambda_k = lambda_-k``.
        factor: Points along a block's side.
        alike: The modes that `initialise` averages over, as in `SpectralStandardise`.

    Raises:
        ValueError: The fields are not square, or blocks do not tile them.
    """

    gain: Float[Tensor, " c"]
    offset: Float[Tensor, "c m m"]
    noise: Float[Tensor, " c"]
    prior: Float[Tensor, "c m m"]

    def __init__(
        self, variances: Float[Tensor, "c h w"], *, factor: int, alike: ModeClasses = "orbits"
    ) -> None:
        super().__init__(variances, alike=alike)
        channels, side, _ = variances.shape
        if side % factor:
            raise ValueError(f"factor={factor}: expected a number that divides {side}")
        self.factor = factor
        unit = self.mean.new_ones(channels)
        self.register_buffer("gain", unit.clone())
        self.register_buffer("offset", unit.new_zeros(channels, side // factor, side // factor))
        self.register_buffer("noise", unit.clone())
        self.register_buffer("prior", block_spectrum(variances, factor).to(unit))

    def forward(
        self, x: Float[Tensor, "n c h h"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        x = x - self.mean[:, None, None]
        noise, total, r = self._deviations()
        h = filtered(self._seen(x), 1 / (noise * (noise + total)))
        h = h - filtered(self._given(context) - self.offset, 1 / (noise * total))
        z, log_det = filtered(x, (-self.log_scale).exp()) + self._unseen(h), -self._log_volume(r)
        return z, log_det.expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n c h h"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        noise, total, r = self._deviations()
        scale = self.log_scale.exp()
        h = filtered(self._given(context) - self.offset, 1 / total.square())
        h = h - filtered(self._seen(filtered(z, scale)), 1 / (total * (noise + total)))
        x = filtered(z + self._unseen(h), scale) + self.mean[:, None, None]
        return x, self._log_volume(r).expand(len(z))

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n c h h"], context: Context = None
    ) -> Float[Tensor, "n c h h"]:
        self.learn_spectrum(x)
        seen = block_means(x - self.mean[:, None, None], self.factor)
        y = self._given(context)
        seen_c, y_c = seen - seen.mean(0), y - y.mean(0)
        # One gain for all blocks, as the law of fields is the same everywhere.
        square = seen_c.square().sum((0, 2, 3))
        gain = (seen_c * y_c).sum((0, 2, 3)) / square.where(square > 0, 1.0)
        self.gain.copy_(gain)
        gain = gain[:, None, None]
        self.offset.copy_(y.mean(0) - gain * seen.mean(0))
        variances = block_spectrum((2 * self.log_scale.double()).exp(), self.factor)
        self.prior.copy_(gain.square() * variances)
        noise = (y_c - gain * seen_c).square().mean((0, 2, 3))
        noise = noise.maximum(EMPTY * self.prior.mean((1, 2)))
        self.noise.copy_(noise.where(noise > 0, 1.0))
        return self.forward(x, context)[0]

    def _deviations(self) -> tuple[Tensor, Float[Tensor, "c m m"], Float[Tensor, "c m m"]]:
        """``noise = sqrt s``, ``total = sqrt(kappa + s)``, and r, their ratio.

        ``(1 - r) / kappa = 1 / (total (noise + total))``, which is finite where kappa is 0.
        """
        noise = self.noise.sqrt()[:, None, None]
        total = (self.prior + self.noise[:, None, None]).sqrt()
        return noise, total, noise / total

    def _seen(self, x: Float[Tensor, "n c h h"]) -> Float[Tensor, "n c m m"]:
        """``a A x``."""
        return self.gain[:, None, None] * block_means(x, self.factor)

    def _unseen(self, h: Float[Tensor, "n c m m"]) -> Float[Tensor, "n c h h"]:
        """``U h``."""
        shares = block_shares(self.gain[:, None, None] * h, self.factor)
        return filtered(shares, self.log_scale.exp())

    def _given(self, context: Context) -> Float[Tensor, "n c m m"]:
        """y."""
        if context is None or context.shape[1] != self.offset.numel():
            raise ValueError(f"context: expected {self.offset.numel()} means of blocks a field")
        y: Tensor = context.unflatten(1, self.offset.shape)
        return y

    def _log_volume(self, r: Float[Tensor, "c m m"]) -> Float[Tensor, ""]:
        """``log|det dw/dz|``."""
        return self.log_scale.sum() + r.log().sum()

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, factor={self.factor}"
