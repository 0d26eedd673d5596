#!/usr/bin/env bash
# exponax 0.2.0, jax 0.10.2 (CPU), Python 3.11.
#
# A good engineer would guess: `NavierStokesVorticity` steps w_t + u w_x + v w_y = nu Lap w, where
#   (u, v) is the velocity whose curl v_x - u_y is w, on the grid of `make_grid`, whose first axis is x.
# What happens: the fluid is carried by (-u, -v). Statistics that do not know left from right come
#   out as expected; fields beside those of another solver, or measured ones, drift apart.
# What to do: step -w, or the transposed field, and undo it after.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jax==0.10.2 exponax==0.2.0
JAX_PLATFORMS=cpu "$work/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import exponax
import jax
import jax.numpy as jnp
from jax.numpy.fft import fft2, fftfreq, ifft2

jax.config.update("jax_enable_x64", True)
print("exponax", version("exponax"))
n, dt = 32, 1e-4
x, y = exponax.make_grid(2, 2 * jnp.pi, n)
assert (x == x[:, :1]).all() and (y == y[:1]).all()
w = jnp.sin(x) * jnp.cos(y) + 0.3 * jnp.cos(2 * x + y)
kx, ky = jnp.meshgrid(fftfreq(n, 1 / n), fftfreq(n, 1 / n), indexing="ij")
square = kx**2 + ky**2
psi = jnp.where(square > 0, fft2(w) / jnp.where(square > 0, square, 1), 0)  # -Lap psi = w


def d_x(field):
    return ifft2(1j * kx * field).real


def d_y(field):
    return ifft2(1j * ky * field).real


u, v = d_y(psi), -d_x(psi)
curl = jnp.abs(d_x(fft2(v)) - d_y(fft2(u)) - w).max()
rate = -(u * d_x(fft2(w)) + v * d_y(fft2(w)))
stepper = exponax.stepper.NavierStokesVorticity(2, 2 * jnp.pi, n, dt, diffusivity=0.0, drag=0.0)
found = (stepper(w[None])[0] - w) / dt
off, mirrored = (jnp.abs(found - sign * rate).max().item() for sign in (1, -1))
print(f"curl of (u, v) less w: {curl:.0e}; rate of change: {jnp.abs(rate).max():.2f}")
print(f"rate of a step: off by {off:.2f} from -(u, v).grad w, by {mirrored:.0e} from +(u, v).grad w")
raise SystemExit(0 if mirrored < 1e-4 < off else "changed: w is carried by its own velocity now")
PYTHON
