#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: the modes of torch.func compose, so jacfwd(jacfwd(f)),
#   jacrev(jacfwd(f)) and hessian(f) are one matrix; a mode that is not supported raises.
# What happens: an autograd.Function with a right `jvp` gives exactly 0 for jacfwd(jacfwd(f));
#   torch.linalg.slogdet, det and solve lose a term whenever their forward derivative is
#   differentiated again, by jacfwd or by jacrev. Nothing is raised. hessian(f), which is
#   jacfwd(jacrev(f)), is right.
# What to do: leave a custom Function aside while a forward mode is active and compute with plain
#   operations; take log|det| there from the diagonal of lu_factor, which is right in every order.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torch.func import hessian, jacfwd, jacrev

print("torch", torch.__version__)


class Sine(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x.cos()

    @staticmethod
    def jvp(ctx, tangent):
        (x,) = ctx.saved_tensors
        return tangent * x.cos()


torch.manual_seed(0)
x = torch.tensor(0.3, dtype=torch.float64)
A = torch.randn(3, 3, dtype=torch.float64) + 3 * torch.eye(3, dtype=torch.float64)
one = torch.ones(3, dtype=torch.float64)
cases = {
    "custom sine": (Sine.apply, x),
    "slogdet": (lambda a: torch.linalg.slogdet(a).logabsdet, A),
    "solve": (lambda a: torch.linalg.solve(a, one).sum(), A),
    "lu_factor": (lambda a: torch.linalg.lu_factor(a).LU.diagonal().abs().log().sum(), A),
}
seen = {}
for name, (f, at) in cases.items():
    truth = jacrev(jacrev(f))(at)
    ways = {
        "hessian": hessian(f),
        "jacrev(jacfwd)": jacrev(jacfwd(f)),
        "jacfwd(jacfwd)": jacfwd(jacfwd(f)),
    }
    for way, take in ways.items():
        error = (take(at) - truth).abs().max().item()
        seen[name, way] = error < 1e-12
        print(f"{name:12} {way:15} largest error {error:.2e}")
wrong = {case for case, right in seen.items() if not right}
expected = {("custom sine", "jacfwd(jacfwd)")}
expected |= {(f, way) for f in ("slogdet", "solve") for way in ("jacrev(jacfwd)", "jacfwd(jacfwd)")}
raise SystemExit(0 if wrong == expected else f"changed: wrong are now {sorted(wrong)}")
PYTHON
