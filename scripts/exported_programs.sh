#!/usr/bin/env bash
# A flow trained on moons, exported, in a fresh environment with torch and numpy alone: is it the
# same to 1e-5 (float32) and 1e-10 (float64), and how fast is it beside eager genlab?
#
#   scripts/exported_programs.sh [PLACE]    PLACE keeps what is made (a new temporary folder)
#
# PYTHON is the interpreter that has genlab (python); ROUNDS the turns that are timed (5).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
place=${1:-$(mktemp -d)}
python=${PYTHON:-python}
rounds=${ROUNDS:-5}
mkdir -p "$place"
cd "$place"

[ -d run ] || "$python" -m genlab train model=realnvp data=moons trainer.max_steps=2000 \
    hydra.run.dir=run > train.log
"$python" "$here/exported_programs.py" prepare . --run run
if [ ! -d venv ]; then
    "$python" -m venv venv
    venv/bin/pip install --quiet -c "$here/constraints.txt" torch numpy
fi
# From here on nothing of genlab is in reach.
unset PYTHONPATH
venv/bin/python -c 'import importlib.util as u; assert u.find_spec("genlab") is None'
venv/bin/python "$here/exported_programs.py" check .

for rows in 256 10000; do
    for kind in eager program compiled; do : > "$kind.ms"; done
    for _ in $(seq "$rounds"); do
        PYTHONPATH="$here/.." "$python" "$here/exported_programs.py" time . --rows "$rows" >> eager.ms
        for kind in program compiled; do
            venv/bin/python "$here/exported_programs.py" time . --kind "$kind" --rows "$rows" >> "$kind.ms"
        done
    done
    for kind in eager program compiled; do
        sort -g "$kind.ms" | head -1 | awk -v k="$kind" -v r="$rows" '{printf "log_prob of %d rows, %-8s %s ms\n", r, k, $1}'
    done
done
