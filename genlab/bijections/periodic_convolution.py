"""Linear bijections of periodic fields: convolutions with the whole square, and its waves."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.nn.context import Context
from genlab.nn.padding import image_shape
from genlab.nn.waves import Waves, highest_mode

__all__ = ["Hartley", "PeriodicConvolution"]


class PeriodicConvolution(Bijection):
    """``z_k = exp(s_k + a_k J_x + b_k J_y + r_k J_x J_y) x_k``: a trainable gain and phase a wave.

    ``x_k`` are the four products of cosine and sine of a pair of wavenumbers, J turns a cosine into
    a sine: all convolutions with the whole square that change no channel into another. The inverse
    has the opposite numbers, and ``log|det| = sum_k d_k s_k``, where ``d_k`` is 4, or 2 on the axes
    and 1 for the mean. What stands between couplings so, each number of one is made of all of the
    last (Hoogeboom, van den Berg, Welling, "Emerging convolutions for generative normalizing
    flows", 2019). Nyquist frequencies of an even side stay as they are.

    References: arXiv:1901.11137.

    >>> import genlab, torch
    >>> layer = genlab.bijections.PeriodicConvolution((1, 7, 7))
    >>> z, log_det = layer(torch.randn(5, 1, 7, 7))
    >>> z.shape
    torch.Size([5, 1, 7, 7])

    Args:
        event_shape: Channels, and the sides of a square.
        spread: Phases are drawn from ``[-spread, spread]`` at the start, gains are 1.

    Raises:
        ValueError: The event is no square of channels.
    """

    def __init__(self, event_shape: tuple[int, ...], *, spread: float = 0.0) -> None:
        super().__init__()
        channels, side, width = image_shape("mixing=convolution", event_shape, "permutation")
        if side != width:
            raise ValueError(
                f"mixing=convolution: expected a square, got {side} x {width}; use permutation"
            )
        modes = highest_mode(side)
        self.waves = Waves(side, modes=modes, unit=side)
        shape = (modes + 1, modes + 1, channels)
        self.log_gain = nn.Parameter(torch.zeros(*shape, 2))
        self.phase = nn.Parameter(spread * (2 * torch.rand(*shape, 2) - 1))

    def forward(
        self, x: Float[Tensor, "n c h h"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        return self._turned(x, 1)

    def inverse(
        self, z: Float[Tensor, "n c h h"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h h"], Float[Tensor, " n"]]:
        return self._turned(z, -1)

    def _turned(self, x: Tensor, sign: int) -> tuple[Tensor, Tensor]:
        log_gain, phase = sign * self.log_gain, sign * self.phase
        low = self.waves.coefficients(x)
        pairs = low.unflatten(3, (2, 2, -1))
        s, r = log_gain.unbind(-1)
        a, b = phase.unbind(-1)
        # On an axis there is no sine of the other coordinate to turn to.
        modes = torch.arange(len(s), device=x.device)
        across, along = (modes > 0).to(x.dtype)[:, None, None], (modes > 0).to(x.dtype)[:, None]
        a, b, r = a * across, b * along, r * across * along
        dimensions = (1 + across) * (1 + along)
        y = _rotated(pairs, 3, a)
        y = _rotated(y, 4, b)
        both = _quarter(_quarter(y, 3), 4)
        grown = s.exp()[:, :, None, None, None]
        y = (r.cosh()[:, :, None, None, None] * y + r.sinh()[:, :, None, None, None] * both) * grown
        log_det = (dimensions * s).sum()
        return x + self.waves.fields(y.flatten(3) - low), log_det.expand(len(x))


def _quarter(pairs: Float[Tensor, "kx ky n 2 2 c"], axis: int) -> Float[Tensor, "kx ky n 2 2 c"]:
    """``J`` along one coordinate: ``(c, s) -> (-s, c)``."""
    cosine, sine = pairs.unbind(axis)
    return torch.stack((-sine, cosine), axis)


def _rotated(
    pairs: Float[Tensor, "kx ky n 2 2 c"], axis: int, angle: Float[Tensor, "kx ky c"]
) -> Float[Tensor, "kx ky n 2 2 c"]:
    """``exp(angle J)`` along one coordinate."""
    cos, sin = (part[:, :, None, None, None] for part in (angle.cos(), angle.sin()))
    return cos * pairs + sin * _quarter(pairs, axis)


class Hartley(Bijection):
    """``z = C x C`` with ``C_kj = (cos + sin)(2 pi k j / n) / sqrt n``: waves as real numbers.

    C is symmetric and orthogonal, so that the map is its own inverse and its log-determinant is 0
    (Hartley's transform of rows and columns). The numbers of a stationary field whose law mirrors
    leave alone are uncorrelated.

    References: Bracewell, "Discrete Hartley transform", Journal of the Optical Society of America
    73, 1983, pages 1832 to 1835.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Hartley((1, 5, 7))
    >>> x = torch.randn(3, 1, 5, 7)
    >>> torch.allclose(layer(layer(x)[0])[0], x, atol=1e-5)
    True

    Args:
        event_shape: Channels, height and width.

    Raises:
        ValueError: The event is no array of channels, height and width.
    """

    rows: Float[Tensor, "h h"]
    columns: Float[Tensor, "w w"]

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = image_shape("basis=fourier", event_shape, "points")[1:]
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        rows, columns = (_cas(side) for side in self.sides)
        return {"rows": rows, "columns": columns}

    def forward(
        self, x: Float[Tensor, "n c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]:
        return self.rows @ x @ self.columns, x.new_zeros(len(x))

    def inverse(
        self, z: Float[Tensor, "n c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]:
        return self.forward(z)


def _cas(side: int) -> Float[Tensor, "side side"]:
    places = torch.arange(side).double()
    angle = torch.outer(places, places) * (2 * math.pi / side)
    return (angle.cos() + angle.sin()) / math.sqrt(side)
