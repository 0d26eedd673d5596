"""Decaying turbulence in two dimensions, with an exact density."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import Bound, NonNegative, Positive
from genlab.errors import UserError
from genlab.fields import NavierStokes, Spectrum, advance, choose_steps, stable_steps
from genlab.randomness import generator as seeded
from genlab.targets.gaussian_field import GaussianField
from genlab.targets.target import Target

__all__ = ["Turbulence"]

PILOTS = 32
# Nats that the log-density of a field from elsewhere may be off.
WORST = 0.05


class Turbulence(Target):
    """Vorticity at time T of a Navier-Stokes flow that starts from a Gaussian field.

    The divergence of the truncated equations in the ``n^2`` numbers of a field is a constant
    (`NavierStokes`), so that this is a continuous normalizing flow with the fluid itself for its
    velocity, and without any estimate of a trace::

        log p_T(w_T) = log p_0(w_0) + nu T sum_k |k|^2,    H_T = H_0 - nu T sum_k |k|^2.

    At T = 0 it is a Gaussian, and the larger T, the less it is one. Samples carry their
    log-density along (`draw_with_log_prob`). Other fields are followed back in time, with two
    lengths of steps, and once more after a change as small as their rounding: where that leaves
    the log-density open, it is refused.

    The steps are the longest with which some pilot fields, taken back at a quarter of the step,
    have the log-density that they carry to within ``tolerance``.

    References: Lee, "On some statistical properties of hydrodynamical and magneto-hydrodynamical
    fields", Quarterly of Applied Mathematics 10, 69-74, 1952; Chen, Rubanova, Bettencourt,
    Duvenaud, "Neural ordinary differential equations", 2018, arXiv:1806.07366.

    >>> import genlab
    >>> spectrum = genlab.fields.PowerLaw(rms=3.0)
    >>> target = genlab.targets.Turbulence(9, spectrum=spectrum, time=0.5)
    >>> (w, _, _), log_p = target.draw_with_log_prob(4)
    >>> w.shape, bool((target.log_prob(w) - log_p).abs().max() < 0.01)
    (torch.Size([4, 1, 9, 9]), True)

    Args:
        size: n, the number of points a side, odd.
        spectrum: Variances of the Fourier coefficients at the start.
        viscosity: nu.
        time: T.
        tolerance: Nats that the carried log-density of a field may be off.
    """

    def __init__(
        self,
        size: Annotated[int, Bound(3)],
        *,
        spectrum: Spectrum,
        viscosity: NonNegative = 1e-3,
        time: NonNegative = 1.0,
        tolerance: Positive = 1e-3,
    ) -> None:
        super().__init__()
        self.flow = NavierStokes(size, viscosity=viscosity)
        self.initial = GaussianField(size, spectrum=spectrum)
        self.time, self.tolerance = time, tolerance
        self.event_shape = self.initial.event_shape
        if self.initial.entropy is not None:
            self.entropy = self.initial.entropy + time * self.flow.divergence

    @property
    def has_energy(self) -> bool:
        """False: of a field that is no sample the density may be refused."""
        return False

    @cached_property
    def steps(self) -> int:
        """How many steps carry a field from 0 to T."""
        source = seeded(0, "pilot", device=self.flow.linear.device)
        w, log_p = self._start(PILOTS, source)

        def error(steps: int) -> float:
            end = advance(self.flow, w, self.time, steps=steps)
            back = advance(self.flow, end, -self.time, steps=4 * steps)
            return float((self._initial_log_prob(back) - log_p).abs().max())

        least = stable_steps(self.flow, w, self.time)
        return choose_steps(error, least=least, tolerance=self.tolerance)

    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n 1 m m"]:
        return self.draw_with_log_prob(n, generator=generator)[0].x

    def draw_with_log_prob(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Batch, Float[Tensor, " n"]]:
        w, log_p = self._start(n, generator)
        end = advance(self.flow, w, self.time, steps=self.steps)
        return Batch(end[:, None].float()), log_p - self.time * self.flow.divergence

    def log_prob(self, x: Float[Tensor, "n 1 m m"]) -> Float[Tensor, " n"]:
        """Exact normalised log-density in nats, by following the fields back to the start.

        Raises:
            UserError: A field is so far from those of this law that following it back does not
                tell its log-density to .05 nats.
        """
        if x.shape[1:] != self.event_shape:
            raise ValueError(
                f"x: expected shape [n, {', '.join(map(str, self.event_shape))}], got "
                f"{list(x.shape)}"
            )
        w = x.detach().double()[:, 0]
        rounding = torch.finfo(x.dtype).eps * w.abs()
        noise = torch.randn(w.shape, generator=seeded(0, "rounding"), dtype=w.dtype)
        fine = self._followed_back(w, 2 * self.steps)
        coarse = self._followed_back(w, self.steps)
        moved = self._followed_back(w + rounding * noise.to(w), self.steps)
        error = (fine - coarse).abs() + (moved - coarse).abs()
        # Not a number where a field has left all bounds on its way.
        refused = ~(error <= WORST)
        if refused.any():
            raise UserError(
                f"log_prob: {int(refused.sum())} of {len(x)} fields are too unlike those of the "
                f"target to be followed back to time 0: their log-density is open by more than "
                f"{WORST:g} nats"
            )
        return fine.to(x.dtype)

    def _start(
        self, n: int, generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "n m m"], Float[Tensor, " n"]]:
        w = self.initial.sample(n, generator=generator).double()
        return w[:, 0], self.initial.log_prob(w)

    def _initial_log_prob(self, w: Float[Tensor, "n m m"]) -> Float[Tensor, " n"]:
        return self.initial.log_prob(w[:, None])

    def _followed_back(self, w: Float[Tensor, "n m m"], steps: int) -> Float[Tensor, " n"]:
        start = advance(self.flow, w, -self.time, steps=steps)
        return self._initial_log_prob(start) - self.time * self.flow.divergence
