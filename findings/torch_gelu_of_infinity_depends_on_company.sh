#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: an activation of one number is the same whatever other numbers its
#   tensor holds, up to rounding; and gelu(inf) is inf, as x Phi(x) tends to it.
# What happens: in single precision gelu(inf) is inf in a tensor of a few numbers, and NaN in one that
#   fills a vector register, where inf is multiplied by what underflows. In double precision it is inf
#   in both, and with approximate="tanh" too.
# What to do: look for numbers that are not finite before an activation, not behind it; a network that
#   overflowed on a batch cannot be told from the answer to a single row.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import math

import torch
from torch.nn.functional import gelu

print("torch", torch.__version__)
found = {}
for dtype in (torch.float32, torch.float64):
    for how in ("none", "tanh"):
        ends = [gelu(torch.full((n,), math.inf, dtype=dtype), approximate=how)[0].item() for n in (1, 64)]
        found[dtype, how] = ends
        print(f"{dtype}, approximate={how}: gelu(inf) is {ends[0]} alone, {ends[1]} among 64")
alone, among = found.pop((torch.float32, "none"))
others = all(end == math.inf for ends in found.values() for end in ends)
usual = alone == math.inf and math.isnan(among) and others
raise SystemExit(0 if usual else "changed: gelu(inf) no longer depends on the numbers beside it")
PYTHON
