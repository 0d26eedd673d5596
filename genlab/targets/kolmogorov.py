"""Kolmogorov flow: turbulence kept going by a steady force, known by its samples."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Bound, Positive, PositiveInt
from genlab.fields import (
    KOLMOGOROV,
    NavierStokes,
    PowerLaw,
    Symmetries,
    advance,
    filtered,
    stable_steps,
)
from genlab.targets.simulated import SimulatedTarget

__all__ = ["Kolmogorov"]

# Times 1 / drag until a trajectory has forgotten its start.
SPIN_UP = 5.0
# The step, as a share of the largest stable one.
SAFETY = 0.5
# The longest stretch of such steps: in 2 / sqrt(chi k_f) the force adds 2 sqrt(chi / k_f) to a
# velocity, which is no less itself after a while.
STRETCH = 1.0
# Of a chunk.
TRAJECTORIES = 8


class Kolmogorov(SimulatedTarget):
    """Vorticity of a stationary flow under a force ``chi sin(k_f y)`` along x, with friction.

    ``u_t + u . grad u = -grad p + nu Lap u - mu u + chi sin(k_f y) e_x`` on ``[0, 2 pi)^2``, with
    the modes of ``|kx|, |ky| < n/2``. It has no density that is known and, without a mean and of an
    even n without the highest waves, none in all ``n^2`` numbers. A trajectory starts from a
    Gaussian field, runs for ``5 / mu`` until it has forgotten that, and then gives ``snapshots``
    fields, each a turnover time ``2 pi / rms(u)`` after the one before: rows of one trajectory
    stand beside each other, and chunks that are kept share none, so that sets of different purposes
    share no trajectory either.

    References: Chandler, Kerswell, "Invariant recurrent solutions embedded in a turbulent
    two-dimensional Kolmogorov flow", 2013, arXiv:1207.4682; Boffetta, Ecke, "Two-dimensional
    turbulence", 2012, doi:10.1146/annurev-fluid-120710-101240.

    >>> import genlab
    >>> target = genlab.targets.Kolmogorov(8, forced_wavenumber=2, drag=1.0, snapshots=4)
    >>> target.sample(6).shape
    torch.Size([6, 1, 8, 8])

    Args:
        size: n, the number of points a side.
        viscosity: nu.
        drag: mu.
        forcing: chi.
        forced_wavenumber: k_f.
        snapshots: Fields of one trajectory.
    """

    singular = True

    def __init__(
        self,
        size: Annotated[int, Bound(4)],
        *,
        viscosity: Positive = 1e-3,
        drag: Positive = 0.1,
        forcing: Positive = 1.0,
        forced_wavenumber: PositiveInt = 4,
        snapshots: PositiveInt = 20,
    ) -> None:
        super().__init__(size)
        # An even grid shows the modes below the one that it cannot tell the sign of.
        self.flow = NavierStokes(
            size - 1 + size % 2,
            viscosity=viscosity,
            drag=drag,
            forcing=forcing,
            forced_wavenumber=forced_wavenumber,
        )
        self.snapshots = snapshots
        self.symmetries = Symmetries(KOLMOGOROV, periods=forced_wavenumber)

    @property
    def chunk(self) -> int:
        """Samples of whole trajectories, some of them, since they run side by side."""
        return TRAJECTORIES * self.snapshots

    @property
    def law(self) -> dict[str, Any]:
        return {
            "law": "kolmogorov",
            "size": self.event_shape[-1],
            "viscosity": self.flow.viscosity,
            "drag": self.flow.drag,
            "forcing": self.flow.forcing,
            "forced_wavenumber": self.flow.forced_wavenumber,
            "snapshots": self.snapshots,
        }

    @property
    def remarks(self) -> tuple[str, ...]:  # type: ignore[override]
        n, m = self.event_shape[-1], self.flow.size
        return (
            f"kolmogorov: fields of {n} x {n} numbers have {m**2 - 1} freedoms, and no density in "
            "all of them: val/nll falls as far as rounding lets it, and there is no test/nll; "
            "compare by test/spectrum and the other statistics",
        )

    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n 1 m m"]:
        w = self._spun_up(max(1, math.ceil(n / self.snapshots)), generator)
        rows = []
        for _ in range(self.snapshots):
            w = self._advance(w, self._turnover(w))
            rows.append(self.flow.restore(self.flow.transform(w), self.event_shape[-1]))
        return torch.stack(rows, 1).flatten(0, 1)[:n, None].float()

    def _spun_up(
        self, trajectories: int, generator: torch.Generator | None
    ) -> Float[Tensor, "b m m"]:
        """Fields that have forgotten their start, a Gaussian one with the force's own strength."""
        m = self.flow.size
        noise = torch.randn(
            trajectories, m, m, generator=generator, dtype=torch.float64, device=self.device
        )
        rms = math.sqrt(self.flow.forcing * self.flow.forced_wavenumber)
        variances = PowerLaw(rms=rms).variances(m).to(noise)
        variances[0, 0] = 0  # a force along x has no mean vorticity
        return self._advance(filtered(noise, variances.sqrt()), SPIN_UP / self.flow.drag)

    def _turnover(self, w: Float[Tensor, "b m m"]) -> float:
        """The time in which a typical speed crosses the square."""
        speeds = self.flow.speeds(self.flow.transform(w)).square().sum(0)
        return 2 * math.pi / float(speeds.mean().sqrt())

    def _advance(self, w: Float[Tensor, "b m m"], time: float) -> Float[Tensor, "b m m"]:
        """The fields after some time, in stretches whose steps suit the fastest of them."""
        left, flow = time, self.flow
        longest = min(STRETCH, 2 / math.sqrt(flow.forcing * flow.forced_wavenumber))
        while left > 0:
            stretch = min(left, longest)
            steps = math.ceil(stable_steps(self.flow, w, stretch) / SAFETY)
            w = advance(self.flow, w, stretch, steps=steps)
            left -= stretch
        return w
