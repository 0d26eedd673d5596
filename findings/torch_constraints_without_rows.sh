#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: a distribution scores no points as it scores some: log_prob of an
#   empty batch [0, d] is an empty tensor, as it is for Normal, and with validate_args=False.
# What happens: with validation on, the default, MultivariateNormal, Independent and all others whose
#   support is made by constraints.independent raise a RuntimeError of a reshape to [0, -1]. And
#   constraints.stack says event_dim 1 but checks each coordinate by itself: its answer has the shape
#   of the value, not of the batch.
# What to do: validate only a value that has elements; reduce the answer of a stack with all(-1).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torch.distributions import MultivariateNormal, Normal, constraints

print("torch", torch.__version__)
print("Normal, no points:", list(Normal(0.0, 1.0).log_prob(torch.empty(0)).shape))
eager = MultivariateNormal(torch.zeros(2), torch.eye(2), validate_args=False)
print("MultivariateNormal, unvalidated:", list(eager.log_prob(torch.empty(0, 2)).shape))
try:
    MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(torch.empty(0, 2))
    raised = False
except RuntimeError as error:
    raised = True
    print("MultivariateNormal, validated:", error)
stack = constraints.stack([constraints.real, constraints.positive], -1)
checked = stack.check(torch.ones(5, 2)).shape
print(f"stack of event_dim {stack.event_dim} checks [5, 2] as {list(checked)}")
usual = not raised or checked == (5,)
raise SystemExit("changed: constraints take no rows, or reduce, now" if usual else 0)
PYTHON
