#!/usr/bin/env bash
# normflows 1.7.3, torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: in a circular spline flow the coordinates that are no angles have linear
#   tails, as in the other spline flows: outside the bound they stay as they are. The layers say so of
#   themselves, by `tails`, a word for each coordinate.
# What happens: where tails are a list, whatever lies outside the bound becomes 0, with a log-determinant
#   of 0, in both directions. Nothing is raised: an outlier scores as well as the middle of the law, no
#   gradient brings it back, and samples pile up at one value.
# What to do: scale the coordinates that are no angles until none leaves the bound, also of the base's
#   samples, and look for values of exactly 0; with all coordinates of one kind the tails are as expected.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 normflows==1.7.3
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import math
from importlib.metadata import version

import normflows as nf
import torch

print("normflows", version("normflows"))
torch.manual_seed(0)
bounds = torch.tensor([math.pi, 3.0])
layers = {  # each of them the identity, as it is made
    "coupling": nf.flows.CircularCoupledRationalQuadraticSpline(2, 1, 8, [0], tail_bound=bounds),
    "autoregressive": nf.flows.CircularAutoregressiveRationalQuadraticSpline(2, 1, 8, [0], tail_bound=bounds),
    "not circular": nf.flows.AutoregressiveRationalQuadraticSpline(2, 1, 8, tail_bound=3.0),
}
base = nf.distributions.base.UniformGaussian(2, [0], scale=torch.tensor([2 * math.pi, 1.0]))
points = torch.tensor([[0.5, 0.0], [0.5, 2.0], [0.5, 7.0]])  # an angle and a number
seen = {}
with torch.no_grad():
    print("the base itself:", [f"{p:.2f}" for p in base.log_prob(points)], "at numbers 0, 2 and 7")
    for name, layer in layers.items():
        model = nf.NormalizingFlow(base, [layer])
        log_p, drawn = model.log_prob(points), model.sample(20_000)[0][:, 1]
        seen[name] = (log_p - base.log_prob(points))[2].item(), (drawn == 0).sum().item()
        print(f"{name}: {[f'{p:.2f}' for p in log_p]}, {seen[name][1]} of 20000 samples are 0")
wrong = all(abs(seen[name][0] - 24.5) < 0.01 and seen[name][1] > 20 for name in ("coupling", "autoregressive"))
right = abs(seen["not circular"][0]) < 0.01 and seen["not circular"][1] == 0
raise SystemExit(0 if wrong and right else "changed: numbers outside the bound keep their place")
PYTHON
