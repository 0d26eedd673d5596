#!/usr/bin/env bash
# hydra-core 1.3.8, Python 3.11.
#
# A good engineer would guess: hydra.runtime.choices tells what was chosen of every group, a list
#   (`logger=[csv,board]`) included, as hydra.overrides.task does.
# What happens: of a group that a list chooses from there is no entry at all; with one option there is.
# What to do: read such a group's choice from the names of the sections that its options made.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet hydra-core==1.3.8
mkdir -p "$work/conf/logger"
printf 'defaults:\n  - logger: csv\n  - _self_\n' > "$work/conf/main.yaml"
printf 'csv:\n  folder: a\n' > "$work/conf/logger/csv.yaml"
printf 'board:\n  port: 1\n' > "$work/conf/logger/board.yaml"
"$work/venv/bin/python" - "$work/conf" <<'PYTHON'
import sys

from hydra import compose, initialize_config_dir

with initialize_config_dir(sys.argv[1], version_base="1.3"):
    found = {}
    for word in ("logger=board", "logger=[csv,board]"):
        config = compose("main", overrides=[word], return_hydra_config=True)
        found[word] = dict(config.hydra.runtime.choices).get("logger")
        print(f"{word}: sections {sorted(config.logger)}, choice {found[word]!r}")
expected = {"logger=board": "board", "logger=[csv,board]": None}
raise SystemExit(0 if found == expected else "changed")
PYTHON
