#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: len(x) and x.shape[0] are the same number to torch.export, so that a
#   model that says len(x) exports with a dynamic batch like one that says x.shape[0].
# What happens: Python's len must return an int, so without strict mode (the default) the batch of
#   the example is burned in; the error names a constant, not the len. Strict mode, by Dynamo, knows
#   len, and refuses much else that plain Python may do.
# What to do: x.shape[0]; or, while exporting, a `len` in the modules' own names that returns it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torch.export import Dim, export

print("torch", torch.__version__)


class ByLen(torch.nn.Module):
    def forward(self, x):
        return x.sum(1) + x.new_zeros(len(x))


class ByShape(torch.nn.Module):
    def forward(self, x):
        return x.sum(1) + x.new_zeros(x.shape[0])


def answer(module, strict):
    try:
        export(module, (torch.ones(7, 2),), dynamic_shapes=({0: Dim("n")},), strict=strict)
        return "dynamic"
    except Exception as error:
        return "fixed" if "specialized it to be a constant (7)" in str(error) else repr(error)


found = {
    "shape[0]": answer(ByShape(), False),
    "len": answer(ByLen(), False),
    "len, strict": answer(ByLen(), True),
}
print(found)
usual = found == {"shape[0]": "dynamic", "len": "fixed", "len, strict": "dynamic"}
raise SystemExit(0 if usual else "changed: len is another number to torch.export now")
PYTHON
