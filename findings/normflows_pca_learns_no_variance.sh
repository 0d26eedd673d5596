#!/usr/bin/env bash
# normflows 1.7.3, torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: GaussianPCA is the law of W' e + sigma n, a Gaussian of covariance
#   W' W + sigma^2, so that maximum likelihood finds the covariance of the data.
# What happens: its log_prob takes the determinant where its logarithm belongs, and adds (d / 2) log 2 pi
#   where it is to be taken off. In one dimension the optimum is the standard deviation in the variance's
#   place, and the density integrates to another number at each setting. Samples are W' e alone: they
#   keep to a subspace, whatever sigma is.
# What to do: torch's LowRankMultivariateNormal, which is that law.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 normflows==1.7.3
"$work/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import normflows as nf
import torch

print("normflows", version("normflows"))
torch.manual_seed(0)
line = torch.linspace(-60, 60, 100_001)[:, None]
found = {}
for deviation in (0.5, 3.0):
    law = nf.distributions.GaussianPCA(1, 1)
    x = torch.randn(5000, 1)
    x = deviation * x / x.square().mean().sqrt()
    adam = torch.optim.Adam([law.W, law.log_sigma], lr=0.02)
    for _ in range(800):
        adam.zero_grad()
        (-law.log_prob(x).mean()).backward()
        adam.step()
    with torch.no_grad():
        variance = (law.W.square().sum() + (2 * law.log_sigma).exp()).item()
        mass = torch.trapezoid(law.log_prob(line).exp(), line[:, 0]).item()
    found[deviation] = variance, mass
    print(f"data of variance {deviation**2:g}: {variance:.3f} is learned, integral {mass:.3f}")
plane = nf.distributions.GaussianPCA(2, 1, sigma=1.0)
rank = torch.linalg.matrix_rank(plane.sample(100).detach()).item()
print(f"samples of the plane, with sigma 1, of which one direction is learned: rank {rank}")
usual = all(abs(found[s][0] - s) < 0.02 and abs(found[s][1] - 1) > 0.5 for s in found) and rank == 1
raise SystemExit(0 if usual else "changed: the covariance of the data is learned now")
PYTHON
