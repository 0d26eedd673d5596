"""Random two-dimensional flows without divergence."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.nn.context import Context
from genlab.nn.solenoidal import StreamFunction
from genlab.nn.waves import Waves, highest_mode

__all__ = ["SolenoidalNormal"]

# Largest share of the energy that data may have in their divergence: what single precision and
# differences instead of derivatives leave.
COMPRESSIBLE = 1e-3


class SolenoidalNormal(Density):
    """``u_k = s_k (P xi)_k``, xi white noise, P the projection on fields from stream functions.

    A Gaussian of the fields ``[2, n, n]`` without divergence and without mean, n odd, a space of
    ``d = n^2 - 1`` numbers, on which ``log p = -1/2 sum_k (|u_k|^2 / s_k^2 + d_k log 2 pi s_k^2)``
    is its density; a field outside of it is taken for the nearest one in it. ``s_k``, one for the
    ``d_k`` waves of a pair of wavenumbers, is 1 until `initialise` sees data.

    References: doi:10.1007/978-1-4612-0883-9 (the projection, section 1.3).

    >>> import genlab
    >>> density = genlab.densities.SolenoidalNormal((2, 5, 5))
    >>> density.log_prob(density.sample(3)).shape
    torch.Size([3])

    Args:
        event_shape: Two channels, and the sides of a square.
    """

    log_scale: Float[Tensor, "kx ky"]
    numbers: Float[Tensor, "kx ky"]

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)
        side = self.event_shape[-1]
        modes = highest_mode(side)
        self.modes = modes
        self.project = StreamFunction(side)
        self.waves = Waves(side, modes=modes, unit=side)
        self.register_buffer("log_scale", torch.zeros(modes + 1, modes + 1))
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        alive = 1 + (torch.arange(self.modes + 1) > 0).double()
        numbers = alive[:, None] * alive
        numbers[0, 0] = 0
        return {"numbers": numbers}

    def _log_prob(self, x: Float[Tensor, "n 2 h h"], context: Context) -> Float[Tensor, " n"]:
        energy = self._energy(self.project(x))
        square = (energy * (-2 * self.log_scale[:, :, None]).exp()).sum((0, 1))
        constant = (self.numbers * (math.log(2 * math.pi) + 2 * self.log_scale)).sum()
        return -0.5 * (square + constant)

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n 2 h h"]:
        noise = torch.randn(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )
        scale = self.log_scale.exp()[:, :, None, None]
        return self.waves.fields(self.waves.coefficients(self.project(noise)) * scale)

    @torch.no_grad()
    def _initialise(self, x: Float[Tensor, "n 2 h h"], context: Context) -> None:
        inside = self.project(x)
        share = ((x - inside).square().sum() / x.square().sum()).item()
        if share > COMPRESSIBLE:
            raise UserError(
                "output=stream_function: expected velocities without divergence and mean, "
                f"but these hold {share:.1%} of the data's energy; use output=free"
            )
        mean = self._energy(inside).mean(2) / self.numbers.clamp_min(1)
        self.log_scale.copy_(0.5 * torch.where(self.numbers * mean > 0, mean, 1.0).log())

    def _energy(self, x: Float[Tensor, "n 2 h h"]) -> Float[Tensor, "kx ky n"]:
        return self.waves.coefficients(x).square().sum(3)
