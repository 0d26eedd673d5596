#!/usr/bin/env bash
# deepxde 1.15.0, torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: after `set_LBFGS_options(maxiter=10)` a training by L-BFGS takes ten
#   steps, and callbacks are asked between them.
# What happens: with PyTorch as the backend the optimiser is called for chunks of a size that was
#   fixed at import, min(1000, the maxiter of then); the first chunk takes far more than ten steps,
#   and callbacks (resamplers, timers) act between chunks only.
# What to do: also set `dde.optimizers.config.LBFGS_options["iter_per_step"]` to what is wanted.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 deepxde==1.15.0
DDE_BACKEND=pytorch "$work/venv/bin/python" -W ignore - 2> /dev/null <<'PYTHON'
import deepxde as dde

print("deepxde", dde.__version__)
dde.config.set_default_float("float64")


def steps():
    dde.config.set_random_seed(0)
    line = dde.geometry.Interval(-1, 1)
    data = dde.data.PDE(line, lambda x, u: u - x, [], num_domain=20)
    model = dde.Model(data, dde.nn.FNN([1, 5, 1], "tanh", "Glorot normal"))
    model.compile("L-BFGS", verbose=0)
    model.train(verbose=0)
    return model.train_state.step


dde.optimizers.set_LBFGS_options(maxiter=10)
taken = steps()
print(f"maxiter=10: {taken} steps")
dde.optimizers.config.LBFGS_options["iter_per_step"] = 10
asked = steps()
print(f"maxiter=10, iter_per_step=10: {asked} steps")
raise SystemExit(0 if taken > 100 and asked <= 11 else "changed: maxiter holds now")
PYTHON
