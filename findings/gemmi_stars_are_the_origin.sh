#!/usr/bin/env bash
# gemmi 0.7.5, Python 3.11.
#
# A good engineer would guess: a coordinate of a PDB file that is no number, such as the asterisks that
#   Fortran writes for one too wide for its eight columns, is an error, or NaN as in mmCIF.
# What happens: asterisks, blanks and words are 0, and a number counts up to where it ends: `2,5` of a
#   program that writes decimal commas is 2. Distances and angles follow without a word. In mmCIF the
#   same texts are NaN.
# What to do: look at columns 31 to 54 of the lines themselves before the atoms are used.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet gemmi==0.7.5
"$work/venv/bin/python" - <<'PYTHON'
import math

import gemmi

print("gemmi", gemmi.__version__)
ATOM = "ATOM      1  CA  ALA A   1    {:>8}   2.000   3.000  1.00  0.00           C\n"
COLUMNS = (
    "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id "
    "label_entity_id label_seq_id Cartn_x Cartn_y Cartn_z auth_seq_id auth_asym_id"
).split()
LOOP = "data_a\nloop_\n" + "".join(f"_atom_site.{name}\n" for name in COLUMNS)
usual = False
for text, expected in (("********", 0), ("", 0), ("2,5", 2)):
    pdb = gemmi.read_pdb_string(ATOM.format(text))[0][0][0][0].pos.x
    block = gemmi.cif.read_string(f"{LOOP}ATOM 1 C CA . ALA A 1 1 {text or '?'} 2.0 3.0 1 A\n")[0]
    cif = gemmi.make_structure_from_block(block)[0][0][0][0].pos.x
    print(f"x = {text!r}: {pdb} of a PDB, {cif} of mmCIF")
    usual |= pdb != expected or not math.isnan(cif)
raise SystemExit("changed: gemmi reads coordinates otherwise now" if usual else 0)
PYTHON
