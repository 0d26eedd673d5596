#!/usr/bin/env bash
# pyro-ppl 1.9.2, torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: SineBivariateVonMises, which its documentation advises for the torsions of
#   peptides, samples the density that it scores.
# What happens: the density is right, the samples are of a wider law. The first angle is drawn by rejection
#   from a proposal whose two coordinates have scales of their own, and a reshape of the draws mixes these
#   up; the second angle follows the first. At a concentration of 5 and without any correlation the mean
#   cosine of the first angle is 0.833 in place of 0.893.
# What to do: draw the first angle from its marginal on a grid, the sum of exp(log_prob) over the second
#   one, and the second one given it from VonMises, by the formulas at the end of `sample`.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 pyro-ppl==1.9.2
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import math

import pyro
import torch
from pyro.distributions import SineBivariateVonMises, VonMises

print("pyro", pyro.__version__)
torch.manual_seed(0)
n = 300
angles = (torch.arange(n) + 0.5) * (2 * math.pi / n) - math.pi
grid = torch.cartesian_prod(angles, angles)
alone = VonMises(torch.tensor(0.0), torch.tensor(5.0)).sample((100_000,)).cos().mean().item()
print(f"VonMises, concentration 5: mean cosine {alone:.3f} of samples")
seen = []
for correlation in (0.0, 2.0, -4.0):
    five = torch.tensor(5.0)
    law = SineBivariateVonMises(0 * five, 0 * five, five, five, torch.tensor(correlation))
    p = law.log_prob(grid).exp() * (2 * math.pi / n) ** 2
    scored = (p[:, None] * grid.cos()).sum(0)
    drawn = law.sample((100_000,)).cos().mean(0)
    seen.append((p.sum() - 1).abs() < 1e-3 and (scored - drawn)[0] > 0.03)
    pairs = [f"{a:.3f} and {b:.3f}" for a, b in zip(scored.tolist(), drawn.tolist())]
    print(f"correlation {correlation:g}: the density's integral is {p.sum():.4f}; mean cosines by the "
          f"density and of samples {pairs[0]} (first angle), {pairs[1]} (second)")
raise SystemExit(0 if all(seen) else "changed: samples are of the density now")
PYTHON
