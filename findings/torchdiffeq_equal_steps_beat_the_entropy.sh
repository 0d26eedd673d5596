#!/usr/bin/env bash
# torchdiffeq 0.2.5 on torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: a continuous flow trained by a few equal steps of rk4 has a loss that is
#   off by the solver's error, to either side, so that steps which are too long show as a poor loss.
# What happens: a log-density adds up the divergence of the velocity, but the steps carry the points, and
#   rk4 shrinks what turns fast, which no divergence counts. Latents come out too near to the middle, and
#   the loss is better than the entropy of the data. A turn of the plane, whose divergence is 0, leaves a
#   standard normal law as it is, 2.84 nats; by 8 steps a turn of 16 radians is given 1.85.
# What to do: training by likelihood is paid for haste, until a step leaves the method's region of
#   stability. Price the kinetic energy, take more steps, or let a solver choose them; and test by one that
#   does, since a coarse test shares the training's error.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 torchdiffeq==0.2.5 numpy
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import math

import torch
from torchdiffeq import odeint

torch.manual_seed(0)
x = torch.randn(2000, 2, dtype=torch.float64)
quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
backwards = torch.tensor([1.0, 0.0], dtype=torch.float64)
WAYS = {
    "8 steps of rk4": {"method": "rk4", "options": {"step_size": 1 / 8}},
    "dopri5 to 1e-7": {"method": "dopri5", "rtol": 1e-7, "atol": 1e-9},
}


def nll(radians: float, **how) -> float:
    z = odeint(lambda t, x: radians * x @ quarter, x, backwards, **how)[-1]
    return z.square().sum(1).mean().item() / 2 + math.log(2 * math.pi)  # no divergence


truth = x.square().sum(1).mean().item() / 2 + math.log(2 * math.pi)
print(f"the law's own nats of these points: {truth:.3f}")
found = {}
for radians in (0.0, 8.0, 16.0):
    found[radians] = [nll(radians, **how) for how in WAYS.values()]
    told = ", ".join(f"{value:.3f} by {way}" for way, value in zip(WAYS, found[radians]))
    print(f"a turn of {radians:g} radians: {told}")
coarse = [found[radians][0] for radians in found]
fine = max(abs(found[radians][1] - truth) for radians in found)
usual = abs(coarse[0] - truth) < 1e-9 and coarse[2] < truth - 0.9 and fine < 1e-4
raise SystemExit(0 if usual else "changed: equal steps no longer give more likelihood than there is")
PYTHON
