#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11, g++ 12.
#
# A good engineer would guess: what torch._inductor.aoti_compile_and_package makes of a float32
#   program refuses float64, as the program itself does (dtype is part of what was exported).
# What happens: the compiled package reads the bytes of the float64 tensor as float32 and returns
#   numbers of no meaning, without a word; an explicit aten._assert_tensor_metadata in the program is
#   removed on the way.
# What to do: check the type before the call.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy
cat > "$work/try.py" <<'PYTHON'
import sys

import torch


class Double(torch.nn.Module):
    def forward(self, x):
        torch.ops.aten._assert_tensor_metadata(x, dtype=torch.float32)
        return 2 * x


program = torch.export.export(Double(), (torch.ones(4),))
package = torch._inductor.aoti_compile_and_package(program, package_path=sys.argv[1])
compiled = torch._inductor.aoti_load_package(package)
x = torch.arange(4, dtype=torch.float64) + 1
try:
    print("program:", program.module()(x))
except Exception as error:
    print("program refuses:", type(error).__name__)
try:
    print("compiled:", compiled(x))
except Exception as error:
    print("compiled refuses:", type(error).__name__)
PYTHON
plain=$("$work/venv/bin/python" -W ignore "$work/try.py" "$work/a.pt2" 2> /dev/null)
echo "$plain"
grep -q "^program refuses" <<< "$plain" || { echo "changed: the program takes any type"; exit 1; }
grep -q "^compiled: " <<< "$plain" || { echo "changed: the package refuses"; exit 1; }
