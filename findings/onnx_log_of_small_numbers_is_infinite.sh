#!/usr/bin/env bash
# torch 2.13.0 (CPU build), onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, Python 3.11.
#
# A good engineer would guess: what torch exports to ONNX without a word gives the same numbers in ONNX
#   Runtime, up to rounding; logsigmoid and its like exist for the far tails, and are kept whole there.
# What happens: the exporter writes such functions out by their names, logsigmoid as the logarithm of a
#   sigmoid, logaddexp as that of a sum of exponentials, log_ndtr by the error function, log1p as log(1 + x).
#   The runtime's sigmoid is 0 from -18 on. A density through a logit is -inf there, log_ndtr NaN further
#   out, and log1p is 0 for small numbers.
# What to do: write -softplus(-x) for logsigmoid, and logsumexp of a stack for logaddexp, which are kept
#   whole, before the export, and compare in the tails, not at the example's numbers.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy
"$work/venv/bin/python" -W ignore - "$work/model.onnx" <<'PYTHON' 2> "$work/told" || { cat "$work/told"; exit 1; }
import sys

import onnxruntime
import torch
from torch.nn.functional import logsigmoid, softplus

print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
FUNCTIONS = {
    "logsigmoid(x)": logsigmoid,
    "logaddexp(x, 2 x)": lambda x: torch.logaddexp(x, 2 * x),
    "log_ndtr(x)": torch.special.log_ndtr,
    "log1p(-1e-9 x)": lambda x: torch.log1p(-1e-9 * x),
    "-softplus(-x)": lambda x: -softplus(-x),
    "logsumexp([x, 2 x])": lambda x: torch.logsumexp(torch.stack((x, 2 * x)), 0),
}


class All(torch.nn.Module):
    def forward(self, x):
        return tuple(function(x) for function in FUNCTIONS.values())


x = torch.tensor([-1.0, -10.0, -30.0, -120.0])
torch.onnx.export(All(), (x,), sys.argv[1], dynamo=True, verbose=False)
session = onnxruntime.InferenceSession(sys.argv[1])
made = session.run(None, {session.get_inputs()[0].name: x.numpy()})
kept = {}
print("x:", x.tolist())
for name, expected, found in zip(FUNCTIONS, All()(x), map(torch.as_tensor, made)):
    kept[name] = torch.allclose(found, expected, rtol=1e-4)
    words = [", ".join(f"{y:.4g}" for y in numbers.tolist()) for numbers in (expected, found)]
    print(f"{name}: {words[0]} by torch, {words[1]} by ONNX")
usual = [name for name, same in kept.items() if not same] == list(FUNCTIONS)[:4]
raise SystemExit(0 if usual else f"changed: kept whole are {[n for n, same in kept.items() if same]}")
PYTHON
