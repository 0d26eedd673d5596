"""Decaying turbulence in two dimensions, with an exact density."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import Bound, NonNegative, Positive
from genlab.errors import UserError
from genlab.fields import (
    SQUARE,
    NavierStokes,
    Spectrum,
    Symmetries,
    advance,
    averaged,
    choose_steps,
    gaussian_entropy,
    mode_classes,
    power,
    stable_steps,
)
from genlab.randomness import generator as seeded
from genlab.targets.gaussian_field import GaussianField
from genlab.targets.simulated import SimulatedTarget

__all__ = ["Turbulence"]

# Fields that the number of steps is chosen on, and that second moments are taken from.
PILOTS, MOMENTS = 32, 4000
# Nats that the log-density of a field from elsewhere may be off.
WORST = 0.05
# Times at which a law given the time is judged, as a share of the longest.
JUDGED = (0.25, 0.5, 0.75, 1.0)


class Turbulence(SimulatedTarget):
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

    With ``condition="time"`` a field comes with a time of its own, uniform in [0, T], and what is
    learned is ``p(w | t)``. Its density is judged at T/4, T/2, 3T/4 and T.

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
        condition: What a field comes with; None for nothing.
    """

    symmetries = Symmetries(SQUARE)

    def __init__(
        self,
        size: Annotated[int, Bound(3)],
        *,
        spectrum: Spectrum,
        viscosity: NonNegative = 1e-3,
        time: NonNegative = 1.0,
        tolerance: Positive = 1e-3,
        condition: Literal["time"] | None = None,
    ) -> None:
        super().__init__(size)
        self.flow = NavierStokes(size, viscosity=viscosity)
        self.initial = GaussianField(size, spectrum=spectrum)
        self.spectrum, self.time, self.tolerance = spectrum, time, tolerance
        self.condition = condition
        self.context_dim = 0 if condition is None else 1

    @property
    def entropy(self) -> float:  # type: ignore[override]
        """Differential entropy in nats; of ``p(w | t)`` its mean over t."""
        mean_time = self.time / 2 if self.context_dim else self.time
        return self.initial.entropy + mean_time * self.flow.divergence

    @property
    def entropy_se(self) -> float:  # type: ignore[override]
        return self.initial.entropy_se

    @property
    def has_energy(self) -> bool:
        """False: of a field that is no sample the density may be refused."""
        return False

    @property
    def law(self) -> dict[str, Any]:
        variances = " ".join(f"{number:.8e}" for number in self.initial.variances.flatten())
        return {
            "law": "turbulence",
            "size": self.flow.size,
            "spectrum": hashlib.sha256(variances.encode()).hexdigest(),
            "weights": self.initial.weights.tolist(),
            "viscosity": self.flow.viscosity,
            "time": self.time,
            "tolerance": self.tolerance,
            "condition": self.condition,
        }

    @cached_property
    def steps(self) -> int:
        """Number of steps from 0 to T."""
        w, log_p = self._start(PILOTS, seeded(0, "pilot", device=self.device))

        def error(steps: int) -> float:
            end = advance(self.flow, w, self.time, steps=steps)
            back = advance(self.flow, end, -self.time, steps=4 * steps)
            return float((self.initial.log_prob(back[:, None]) - log_p).abs().max())

        least = stable_steps(self.flow, w, self.time)
        return choose_steps(error, least=least, tolerance=self.tolerance)

    @property
    def negentropy(self) -> float | None:  # type: ignore[override]
        """Of T, from fields of its own; given the time, its mean over those that are judged.

        None at T = 0, and at times so small that the estimate is not above 0.
        """
        return self._negentropy[0] or None

    @property
    def negentropy_se(self) -> float:  # type: ignore[override]
        return self._negentropy[1]

    @cached_property
    def _negentropy(self) -> tuple[float, float]:
        """With its standard error; both are 0 where there is none above 0."""
        if self.context_dim:
            times = (share * self.time for share in JUDGED)
            values, errors = zip(*(self._at(time)._negentropy for time in times), strict=True)
            return sum(values) / len(JUDGED), math.hypot(*errors) / len(JUDGED)
        if self.time == 0:
            return self.initial.negentropy or 0.0, self.initial.negentropy_se
        own_power = power(self.kept("moments", MOMENTS, seed=0).x[:, 0].double())
        variances = averaged(own_power.mean(0), mode_classes(self.flow.size))
        # What a field adds to the entropy of the Gaussian with these variances.
        share = 0.5 * (own_power / variances).sum((1, 2))
        value = float(gaussian_entropy(variances)) - self.entropy
        return (value, float(share.std()) / MOMENTS**0.5) if value > 0 else (0.0, 0.0)

    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n 1 m m"]:
        return self.draw(n, generator=generator).x

    def draw(self, n: int, *, generator: torch.Generator | None = None) -> Batch:
        return self._carried(n, None, generator)[0]

    def draw_with_log_prob(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Batch, Float[Tensor, " n"]]:
        return self._carried(n, JUDGED, generator)

    def log_prob(
        self, x: Float[Tensor, "n 1 m m"], context: Float[Tensor, "n 1"] | None = None
    ) -> Float[Tensor, " n"]:
        """Exact normalised log-density in nats, by following the fields back to the start.

        Args:
            x: The fields.
            context: The time of each, where they come with one.

        Raises:
            UserError: A field is so unlike those of this law that following it back does not tell
                its log-density to .05 nats.
            ValueError: ``x`` is of another shape, or times are missing.
        """
        if x.shape[1:] != self.event_shape:
            event = ", ".join(map(str, self.event_shape))
            raise ValueError(f"x: expected shape [n, {event}], got {list(x.shape)}")
        w = x[:, 0].double()
        if not self.context_dim:
            time = w.new_full((len(w),), self.time)
        elif context is None:
            raise ValueError("context: expected the time of each field")
        else:
            time = context[:, 0].double()
        noise = torch.randn(w.shape, generator=seeded(0, "rounding"), dtype=w.dtype).to(w)
        fine = self._followed_back(w, time, 2 * self.steps)
        coarse = self._followed_back(w, time, self.steps)
        rounded = self._followed_back(
            w + torch.finfo(x.dtype).eps * w.abs() * noise, time, self.steps
        )
        # Not a number where a field has left all bounds on its way.
        refused = ~((fine - coarse).abs() + (rounded - coarse).abs() <= WORST)
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

    def _carried(
        self, n: int, shares: tuple[float, ...] | None, generator: torch.Generator | None
    ) -> tuple[Batch, Float[Tensor, " n"]]:
        """Samples with their log-density, at some shares of T where they come with a time."""
        w, log_p = self._start(n, generator)
        time, context = w.new_full((n,), self.time), None
        if self.context_dim:
            if shares is None:
                share = torch.rand(n, generator=generator, device=w.device)
            else:
                which = torch.randint(len(shares), (n,), generator=generator, device=w.device)
                share = w.new_tensor(shares)[which]
            context = (self.time * share).float()[:, None]
            time = context[:, 0].double()
        end = advance(self.flow, w, time, steps=self.steps)
        return Batch(end[:, None].float(), context), log_p - time * self.flow.divergence

    def _followed_back(
        self, w: Float[Tensor, "n m m"], time: Float[Tensor, " n"], steps: int
    ) -> Float[Tensor, " n"]:
        start = advance(self.flow, w, -time, steps=steps)
        return self.initial.log_prob(start[:, None]) - time * self.flow.divergence

    def _at(self, time: float) -> Turbulence:
        """The law at one time."""
        other = Turbulence(
            self.flow.size,
            spectrum=self.spectrum,
            viscosity=self.flow.viscosity,
            time=time,
            tolerance=self.tolerance,
        )
        other.root = self.root
        return other.to(self.device)
