"""The two-dimensional Navier-Stokes equations on a periodic square, truncated to finitely many
Fourier modes: what carries one vorticity field to a later one."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bounds import Bound, NonNegative, PositiveInt
from genlab.errors import ArgumentError

__all__ = ["NavierStokes"]

# The last of these that divide a number of points make its Fourier transforms slow.
SMALL_PRIMES = (2, 3, 5, 7)
# Numbers of a larger grid that a processor's cache holds several of, and that keep a GPU busy.
CACHED, BUSY = 2**16, 2**23


class NavierStokes(nn.Module):
    """``w_t = N(w) + nu Lap w - mu (w - mean w) - chi k_f cos(k_f y)`` with ``N(w) = -u . grad w``.

    ``u = (psi_y, -psi_x)``, ``-Lap psi = w - mean w``, on ``[0, 2 pi)^2``, with all modes of
    ``|kx|, |ky| <= (n - 1)/2`` and no others: a field is its values on ``n x n`` points, ``n`` odd.
    Products are formed on a grid of at least ``(3n - 1)/2`` points a side, from which no mode comes
    back under the name of another. They are those of the velocity alone,
    ``N(w) = (d_yy - d_xx)(u v) + d_xy(u^2 - v^2)``: four transforms instead of five (Basdevant).

    In the ``n^2`` unknowns the divergence of ``N`` is 0 (Lee), so that of the whole is the constant
    `divergence`: volumes of the space of fields shrink at a known rate.

    The state is what time steps work on: Fourier coefficients ``w^_k`` (the mean of
    ``w exp(-i k.x)``), ``ky >= 0`` along the rows, ``kx`` in the order of an FFT of the larger grid
    along the columns, real and imaginary parts beside each other.

    References: Basdevant, Journal of Computational Physics 50, 1983; Lee, "On some statistical
    properties of hydrodynamical and magneto-hydrodynamical fields", Quarterly of Applied
    Mathematics 10, 69-74, 1952.

    >>> import torch
    >>> flow = NavierStokes(7, viscosity=0.1)
    >>> x = 2 * torch.pi * torch.arange(7, dtype=torch.float64) / 7
    >>> w = 2 * x.cos()[:, None] * x.cos()  # Taylor's and Green's vortices: no advection
    >>> rate = flow.restore(flow.rate(flow.transform(w[None])))
    >>> torch.allclose(rate, -0.2 * w), round(flow.divergence, 6)
    (True, -39.2)

    Args:
        size: n, the number of points a side, odd.
        viscosity: nu.
        drag: mu, a friction that all modes but the mean feel alike.
        forcing: chi, the strength of a force ``chi sin(k_f y)`` along x.
        forced_wavenumber: k_f.

    Attributes:
        divergence: ``-nu sum_k |k|^2 - mu (n^2 - 1)``, of the whole right-hand side.
    """

    velocity: Float[Tensor, "2 1 rows columns 2"]
    quadratic: Float[Tensor, "2 rows width"]
    linear: Float[Tensor, "rows width"]
    constant: Float[Tensor, "rows width"]

    def __init__(
        self,
        size: Annotated[int, Bound(3)],
        *,
        viscosity: NonNegative,
        drag: NonNegative = 0.0,
        forcing: NonNegative = 0.0,
        forced_wavenumber: PositiveInt = 4,
    ) -> None:
        super().__init__()
        if size % 2 == 0:
            raise ArgumentError(
                f"size={size}: expected an odd number of points a side, whose modes come in pairs; "
                f"the nearest are {size - 1} and {size + 1}"
            )
        self.size, self.viscosity = size, viscosity
        self.drag, self.forcing, self.forced_wavenumber = drag, forcing, forced_wavenumber
        self.cutoff = (size - 1) // 2
        self.points = _fast((3 * size - 1) // 2)
        if forcing and forced_wavenumber > self.cutoff:
            raise ArgumentError(
                f"forced_wavenumber={forced_wavenumber}: expected at most (size - 1)/2 = "
                f"{self.cutoff}"
            )
        kx = torch.fft.fftfreq(self.points, 1 / self.points, dtype=torch.float64)
        ky = torch.arange(self.cutoff + 1, dtype=torch.float64)[:, None]
        kept = (kx.abs() <= self.cutoff).double()
        square = kx.square() + ky.square()
        inverse = kept / square.where(square > 0, torch.inf)
        self.register_buffer(
            "velocity",
            torch.view_as_real(1j * torch.stack((ky * inverse, -kx * inverse)))[:, None],
            persistent=False,
        )
        # The transform to the coefficients of the products lacks the division by their number.
        quadratic = torch.stack((kx.square() - ky.square(), kx * ky)) * kept / self.points**2
        self.register_buffer("quadratic", quadratic.repeat_interleave(2, -1), persistent=False)
        linear = (-viscosity * square - drag * (square > 0).double()) * kept
        self.register_buffer("linear", linear.repeat_interleave(2, -1), persistent=False)
        constant = torch.zeros_like(self.linear)
        if forcing:
            constant[forced_wavenumber, 0] = -forcing * forced_wavenumber / 2
        self.register_buffer("constant", constant, persistent=False)
        # Each k once: those of ky < 0 are the conjugates of those of ky > 0.
        weight = kept * torch.where(ky > 0, 2.0, 1.0)
        self.divergence = float((weight * linear).sum())
        self.largest_wavenumber = math.sqrt(2) * self.cutoff

    @property
    def rows_at_once(self) -> int:
        """Fields that are best moved together."""
        numbers = CACHED if self.linear.device.type == "cpu" else BUSY
        return max(1, numbers // self.points**2)

    def extra_repr(self) -> str:
        return f"size={self.size}, viscosity={self.viscosity:g}"

    def transform(self, w: Float[Tensor, "b m m"]) -> Float[Tensor, "b rows width"]:
        """The state of fields on ``m x m`` points, ``m >= n``; modes beyond the cutoff are lost."""
        k = self.cutoff
        rows = torch.fft.rfft(w, dim=-1, norm="forward")[..., : k + 1].mT
        modes = torch.fft.fft(rows, dim=-1, norm="forward")
        state = modes.new_zeros(len(w), k + 1, self.points)
        state[..., : k + 1] = modes[..., : k + 1]
        state[..., -k:] = modes[..., -k:]
        parts: Tensor = torch.view_as_real(state).flatten(-2)
        return parts

    def restore(
        self, state: Float[Tensor, "b rows width"], size: int | None = None
    ) -> Float[Tensor, "b m m"]:
        """The fields of a state on ``m x m`` points, ``m >= n``; ``m = n`` if ``size`` is None."""
        size, k = size or self.size, self.cutoff
        modes = self._complex(state)
        kept = modes.new_zeros(len(modes), k + 1, size)
        kept[..., : k + 1] = modes[..., : k + 1]
        kept[..., -k:] = modes[..., -k:]
        return self._values(kept, size)

    def speeds(self, state: Float[Tensor, "b rows width"]) -> Float[Tensor, "2 b m m"]:
        """The velocity ``(u, v)`` on the larger grid."""
        velocity = torch.view_as_complex(self.velocity)
        return self._values(velocity * self._complex(state), self.points)

    def rate(self, state: Float[Tensor, "b rows width"]) -> Float[Tensor, "b rows width"]:
        """The right-hand side, in the coefficients of the state."""
        u, v = self.speeds(state)
        products = torch.stack((u * v, (v * v).addcmul_(u, u, value=-1)))
        rows = torch.fft.rfft(products, dim=-1)[..., : self.cutoff + 1].mT
        first, second = torch.view_as_real(torch.fft.fft(rows, dim=-1)).flatten(-2)
        rate: Tensor = self.quadratic[0] * first
        rate = rate.addcmul_(self.quadratic[1], second).addcmul_(self.linear, state)
        return rate.add_(self.constant) if self.forcing else rate

    def _complex(self, state: Float[Tensor, "b rows width"]) -> Tensor:
        modes: Tensor = torch.view_as_complex(state.unflatten(-1, (-1, 2)))
        return modes

    def _values(self, modes: Tensor, size: int) -> Float[Tensor, "*b m m"]:
        columns = torch.fft.ifft(modes, dim=-1, norm="forward")
        values: Tensor = torch.fft.irfft(columns.mT, n=size, dim=-1, norm="forward")
        return values


def _fast(least: int) -> int:
    """The smallest even number from ``least`` on that has small prime factors only.

    >>> [_fast(n) for n in (25, 49, 94, 190)]
    [28, 50, 96, 192]
    """
    number = least + least % 2
    while True:
        rest = number
        for prime in SMALL_PRIMES:
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return number
        number += 2
