"""Decaying turbulence in time, beside exponax under jit: the same modes, steps and evaluations.

Both take fourth-order steps of four evaluations each, in float64. exponax's 96 points a side keep
the modes of |kx|, |ky| <= 31 by its rule of 2/3, which are those of 63 points here.
"""

from __future__ import annotations

import math

import torch

from benchmarks.cells import Cell
from benchmarks.work import Work
from genlab.fields import NavierStokes, PowerLaw, advance, filtered

__all__ = ["build"]

VISCOSITY, DT = 1e-3, 1e-3
POINTS = 96
DIFFERENCE = "difference from genlab"


def start(cell: Cell) -> tuple[NavierStokes, torch.Tensor]:
    """The flow, and fields of rms 3 to begin with."""
    flow = NavierStokes(math.isqrt(cell.dim), viscosity=VISCOSITY)
    noise = torch.randn(cell.batch, flow.size, flow.size, dtype=torch.float64)
    return flow, filtered(noise, PowerLaw(rms=3.0).variances(flow.size).to(noise).sqrt())


def build(cell: Cell, contestant: str) -> Work:
    assert cell.steps is not None
    if contestant == "exponax":
        return _exponax(cell, cell.steps)
    flow, w = start(cell)
    return Work(lambda: advance(flow, w, cell.steps * DT, steps=cell.steps))


def _exponax(cell: Cell, steps: int) -> Work:
    # JAX is not to be imported beside genlab's own turn.
    import jax
    from exponax import RepeatedStepper
    from exponax.stepper import NavierStokesVorticity

    from benchmarks.jitted import waiting

    jax.config.update("jax_enable_x64", True)
    flow, w = start(cell)
    stepper = NavierStokesVorticity(
        2, 2 * math.pi, POINTS, DT, diffusivity=VISCOSITY, order=4, dealiasing_fraction=2 / 3
    )
    # Its first axis is y: seen so, a vortex turns the other way.
    fine = flow.restore(flow.transform(w), POINTS).mT[:, None]
    call, x = jax.jit(jax.vmap(RepeatedStepper(stepper, steps))), jax.numpy.asarray(fine.numpy())
    work = waiting(lambda: call(x))
    end = torch.from_numpy(jax.device_get(call(x)).copy())[:, 0].mT
    own = advance(flow, w, steps * DT, steps=steps)
    difference = flow.restore(flow.transform(end)) - own
    work.notes[DIFFERENCE] = float(difference.abs().max() / own.abs().max())
    return work
