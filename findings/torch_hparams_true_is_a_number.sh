#!/usr/bin/env bash
# torch 2.13.0 (CPU build), tensorboard 2.21.0, Python 3.11.
#
# A good engineer would guess: of the hyperparameters that torch writes for TensorBoard, True is
#   kept as a truth value, for which both the protocol and the code of `hparams` have a branch.
# What happens: it asks for a number first, and True is an int. The column is one of 1 and 0, with a
#   range to choose from; the branch for truth values is never reached.
# What to do: write it as text, "true", which TensorBoard offers by a box to tick.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 tensorboard==2.21.0
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard.summary import hparams

print("torch", torch.__version__)
_, start, _ = hparams({"number": 1, "truth": True, "text": "true"}, {})
content = start.value[0].metadata.plugin_data.content
cells = HParamsPluginData.FromString(content).session_start_info.hparams
kinds = {name: cells[name].WhichOneof("kind") for name in ("number", "truth", "text")}
print(kinds)
usual = kinds == {"number": "number_value", "truth": "number_value", "text": "string_value"}
raise SystemExit(0 if usual else "changed: True is written in another way now")
PYTHON
