"""Standardisation of periodic fields, mode by mode."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.fields import ModeClasses, averaged, class_means, filtered, mode_classes, power
from genlab.nn.context import Context

__all__ = ["SpectralStandardise", "SpectralStandardiseGiven"]

EMPTY = 1e-10
"""Share of the mean variance below which a mode holds nothing but the rounding of float32."""
ROUNDS, SETTLED = 50, 1e-4
"""Of Fisher's scoring at most, and the change of a logarithm at which it has come to its end: few
rounds, but where the start is much too large it comes down by a factor of e a round."""
FAINT = 1e-6
"""Share of the fields that a knot is at least seen by, so that it can be solved for."""


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
        self, x: Float[Tensor, "n c h h"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        log_scale = self._log_scales(context)
        z = filtered(x - self.mean[:, None, None], (-log_scale).exp())
        return z, -log_scale.sum((-3, -2, -1)).expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n c h h"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        log_scale = self._log_scales(context)
        x = filtered(z, log_scale.exp()) + self.mean[:, None, None]
        return x, log_scale.sum((-3, -2, -1)).expand(len(z))

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n c h h"], context: Context = None
    ) -> Float[Tensor, "n c h h"]:
        self.learn_spectrum(x)
        return self.forward(x)[0]

    def learn_spectrum(self, x: Float[Tensor, "n c h h"]) -> None:
        """Set the mean, and the variance of each mode."""
        mean = x.mean((0, 2, 3))
        classes = mode_classes(x.shape[-1], self.alike)
        variances = averaged(power(x - mean[:, None, None]).mean(0), classes)
        whole = variances.mean((1, 2), keepdim=True)
        whole = whole.where(whole > 0, 1.0)
        self.mean.copy_(mean)
        self.log_scale.copy_(0.5 * variances.clamp_min(EMPTY * whole).log())

    def _log_scales(self, context: Context) -> Float[Tensor, "*n c h h"]:
        """Half of ``log lambda_k``, of all fields or of each."""
        return self.log_scale

    def extra_repr(self) -> str:
        return f"{list(self.log_scale.shape)}, alike={self.alike}"


class SpectralStandardiseGiven(SpectralStandardise):
    """`SpectralStandardise` by a spectrum that the number s says which a field comes with.

    ``log lambda_k(s)`` is linear between knots at equal distances, and stays as it is beyond the
    first and the last. `initialise` puts the knots over the numbers that it sees, and maximises the
    likelihood of the Gaussian (Whittle, "The analysis of multiple stationary time series", 1953):
    the squares of modes, ``P``, have expectation lambda and a Gamma law, for which Fisher's scoring
    is a least-squares fit of ``P / lambda - 1``, and converges in a few rounds.

    References: doi:10.1111/j.2517-6161.1953.tb00131.x.

    >>> import genlab, torch
    >>> layer = genlab.bijections.SpectralStandardiseGiven(torch.ones(9, 1, 5, 5))
    >>> s = torch.rand(4000, 1)
    >>> z = layer.initialise((2 * s[..., None, None]).exp() * torch.randn(4000, 1, 5, 5), s)
    >>> bool((z[s[:, 0] < 0.2].std() - 1).abs() < 0.01)
    True

    Args:
        variances: ``lambda_k`` at each knot, of each channel, in the layout of the DFT.
        mean: Of each channel; 0 if None.
        alike: The modes that `initialise` averages over, as in `SpectralStandardise`.

    Raises:
        ValueError: The fields are not square.
    """

    knots: Float[Tensor, "2"]

    def __init__(
        self,
        variances: Float[Tensor, "knots c h w"],
        mean: Float[Tensor, " c"] | None = None,
        *,
        alike: ModeClasses = "orbits",
    ) -> None:
        super().__init__(variances[0], mean, alike=alike)
        self.log_scale = 0.5 * variances.log().to(self.log_scale)
        self.register_buffer("knots", self.log_scale.new_tensor([0.0, 1.0]))

    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n c h h"], context: Context = None
    ) -> Float[Tensor, "n c h h"]:
        self.mean.copy_(x.mean((0, 2, 3)))
        self.knots.copy_(torch.stack(self._numbers(context).aminmax()))
        classes = mode_classes(x.shape[-1], self.alike)
        squares = class_means(power((x - self.mean[:, None, None]).double()), classes)
        squares = squares.clamp_min(EMPTY * squares.mean((0, 2), keepdim=True)).flatten(1)
        near = self._near(context).double()
        # A knot that no number is near has the spectrum of all, and keeps it.
        start = (near.mT @ squares + squares.mean(0)) / (near.sum(0)[:, None] + 1)
        log_lambda = start.log()
        gram = near.mT @ near + FAINT * len(x) * torch.eye(near.shape[1]).to(near)
        for _ in range(ROUNDS):
            excess = squares / (near @ log_lambda).exp() - 1
            step = torch.linalg.solve(gram, near.mT @ excess)
            log_lambda = log_lambda + step
            if step.abs().max() < SETTLED:
                break
        by_class = 0.5 * log_lambda.unflatten(1, (x.shape[1], -1))
        self.log_scale.copy_(by_class[..., classes.to(x.device)])
        return self.forward(x, context)[0]

    def _log_scales(self, context: Context) -> Float[Tensor, "n c h h"]:
        return torch.einsum("nk,kchw->nchw", self._near(context), self.log_scale)

    def _near(self, context: Context) -> Float[Tensor, "n knots"]:
        """The share of each knot in each number: what lies between two is their mixture."""
        first, last = self.knots
        count = len(self.log_scale)
        length = (last - first).clamp_min(torch.finfo(last.dtype).tiny)
        place = ((self._numbers(context) - first) / length).clamp(0, 1) * (count - 1)
        index = torch.arange(count, device=place.device)
        shares: Tensor = (1 - (place[:, None] - index).abs()).clamp_min(0)
        return shares

    def _numbers(self, context: Context) -> Float[Tensor, " n"]:
        if context is None or context.shape[1] != 1:
            raise ValueError("context: expected one number for each field")
        return context[:, 0].to(self.mean.dtype)

    def extra_repr(self) -> str:
        return f"{list(self.log_scale.shape[1:])}, knots={len(self.log_scale)}, alike={self.alike}"
