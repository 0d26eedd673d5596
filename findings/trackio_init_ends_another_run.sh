#!/usr/bin/env bash
# trackio 0.43.0, Python 3.11.
#
# A good engineer would guess: trackio.init gives a run of its own, as wandb.init(reinit="create_new")
#   and an MLflow client do, so that two runs can be written side by side in one process.
# What happens: a second init finishes the first run, and says so on the standard output.
# What to do: trackio.context_vars.current_run.set(None) between the two.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet trackio==0.43.0
export TRACKIO_DIR="$work/kept" HF_HUB_OFFLINE=1
"$work/venv/bin/python" -W ignore - <<'PYTHON' 2> /dev/null
import contextlib
import io

import trackio

told = io.StringIO()
with contextlib.redirect_stdout(told):
    trackio.init(project="project", name="first")
    trackio.init(project="project", name="second")
lines = [line for line in told.getvalue().splitlines() if "un finished" in line or "new run" in line]
print(*lines, sep="\n")
order = ["first" in lines[0], "finished" in lines[1], "second" in lines[2]]
trackio.finish()
raise SystemExit(0 if all(order) else "changed: a second run leaves the first one open")
PYTHON
