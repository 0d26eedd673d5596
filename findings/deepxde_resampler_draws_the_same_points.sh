#!/usr/bin/env bash
# deepxde 1.15.0, torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: PDEPointResampler gives the steps other points every period, as its
#   documentation says, at least with the distribution that dde.data.PDE has by default.
# What happens: the default, Hammersley, and Halton and Sobol are sequences that begin anew at each
#   draw: the points come out bit for bit as they were, and the run is one with fixed points.
# What to do: train_distribution="pseudo" or "LHS", whose points change.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 deepxde==1.15.0
DDE_BACKEND=pytorch "$work/venv/bin/python" -W ignore - 2> /dev/null <<'PYTHON'
import inspect

import deepxde as dde
import numpy as np

print("deepxde", dde.__version__)
default = inspect.signature(dde.data.PDE).parameters["train_distribution"].default


def moved(distribution):
    dde.config.set_random_seed(0)
    square = dde.geometry.Rectangle([0, 0], [1, 1])
    data = dde.data.PDE(
        square, lambda x, u: dde.grad.hessian(u, x), [],
        num_domain=64, train_distribution=distribution,
    )
    model = dde.Model(data, dde.nn.FNN([2, 8, 1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3, verbose=0)
    first = data.train_x.copy()
    resampler = dde.callbacks.PDEPointResampler(period=2)
    model.train(iterations=5, callbacks=[resampler], display_every=5, verbose=0)
    return np.any(data.train_x != first, axis=1).mean()


seen = {name: moved(name) for name in ("Hammersley", "Halton", "Sobol", "pseudo", "LHS")}
for name, share in seen.items():
    print(f"{name}{' (default)' if name == default else ''}: {share:.0%} of the points moved")
usual = default == "Hammersley" and seen == {
    "Hammersley": 0, "Halton": 0, "Sobol": 0, "pseudo": 1, "LHS": 1
}
raise SystemExit(0 if usual else "changed: other points move now")
PYTHON
