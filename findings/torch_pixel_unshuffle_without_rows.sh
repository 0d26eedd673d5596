#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: pixel_unshuffle of an empty batch [0, c, h, w] has the shape
#   [0, 4 c, h/2, w/2], as it has for any other number of rows and on the meta device.
# What happens: on the CPU the batch comes back as [0, c, h, w]. Whatever follows fails on the
#   number of channels, far from the cause: a multi-scale flow cannot score or draw no images.
# What to do: two calls of unflatten, a permute and a flatten, which know no special case.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

print("torch", torch.__version__)
shapes = {
    "3 rows": pixel_unshuffle(torch.zeros(3, 2, 4, 6), 2).shape,
    "no rows": pixel_unshuffle(torch.zeros(0, 2, 4, 6), 2).shape,
    "no rows, meta device": pixel_unshuffle(torch.zeros(0, 2, 4, 6, device="meta"), 2).shape,
    "back, no rows": pixel_shuffle(torch.zeros(0, 8, 2, 3), 2).shape,
}
for name, shape in shapes.items():
    print(f"{name}: {list(shape)}")
usual = shapes["no rows"] == (0, 2, 4, 6) and shapes["no rows, meta device"] == (0, 8, 2, 3)
raise SystemExit(0 if usual else "changed: an empty batch has another shape now")
PYTHON
