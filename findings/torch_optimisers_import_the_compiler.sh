#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: who compiles nothing does not pay for torch's compiler, which `import torch`
#   leaves out and the first `torch.compile` brings in; an optimiser is a few lines over tensors.
# What happens: the first optimiser that is made, SGD as well as Adam, imports torch._dynamo and with it
#   sympy: some eight hundred modules, in about a second. Its `add_param_group` is kept from being
#   compiled by a decorator, which looks up the compiler to turn it off.
# What to do: a process that has to start fast, or to evaluate only, makes no optimiser; where one is made,
#   `import torch` alone says little about the start.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy
for name in SGD Adam; do
    "$work/venv/bin/python" -W ignore - "$name" <<'PYTHON'
import sys
import time

import torch

weights = [torch.nn.Parameter(torch.zeros(2))]
before = set(sys.modules)
start = time.process_time()
getattr(torch.optim, sys.argv[1])(weights, lr=0.1)
seconds, new = time.process_time() - start, set(sys.modules) - before
print(f"torch {torch.__version__}: {sys.argv[1]} imported {len(new)} modules in {seconds:.1f} s of the processor")
usual = len(new) > 300 and {"torch._dynamo", "sympy"} <= new and not {"torch._dynamo", "sympy"} & before
raise SystemExit(0 if usual else "changed: making an optimiser no longer imports torch's compiler")
PYTHON
done
