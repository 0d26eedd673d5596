#!/usr/bin/env bash
# ramachandranplot 1.0.5, Python 3.11.
#
# A good engineer would guess: each of the package's tables of Ramachandran densities (Top500) holds
#   the class of residues that its file is named after.
# What happens: the names are permuted. `rama500-general.data` holds proline, `rama500-pro.data` the
#   general case, `rama500-prepro.data` glycine and `rama500-gly-sym.data` what stands before a
#   proline; the first line of each file tells its own class.
# What to do: choose a table by its first line.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-deps ramachandranplot==1.0.5
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import files, version

print("ramachandranplot", version("ramachandranplot"))
told = {}
for path in files("ramachandranplot"):
    if path.suffix == ".data":
        first = path.locate().open().readline().strip()
        told[path.stem] = first
        print(f"{path.name}: {first}")
words = {"general": "proline", "pro": "general", "prepro": "glycine", "gly-sym": "pre"}
usual = all(word in told[f"rama500-{name}"].lower() for name, word in words.items())
raise SystemExit(0 if usual else "changed: the files hold other classes now")
PYTHON
