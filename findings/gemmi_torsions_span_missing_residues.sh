#!/usr/bin/env bash
# gemmi 0.7.5, mdtraj 1.11.1.post2, biotite 1.6.0, Python 3.11.
#
# A good engineer would guess: phi of a residue behind a gap, where a loop was not seen in the crystal, is
#   undefined: the C that it takes belongs to a residue that is not in the file. The comments of gemmi's own
#   example say that `previous_residue` returns only a residue that is bonded.
# What happens: all three take the C of whatever residue comes before in the file, however far off it is and
#   whatever the numbers say, and give an angle like any other, as psi before the gap. Most crystal
#   structures have gaps: a density of torsions learns from them a floor where no residue can be.
# What to do: take an angle between two residues only where C and N are at most 2 Angstrom apart;
#   biotite finds the gaps by `structure.check_backbone_continuity`.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet gemmi==0.7.5 mdtraj==1.11.1.post2 biotite==1.6.0
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import math
from importlib.metadata import version

import biotite.structure as structure
import gemmi
import mdtraj
import numpy as np
from biotite.structure.io.pdb import PDBFile

print(*(f"{name} {version(name)}" for name in ("gemmi", "mdtraj", "biotite")))
TWO = [  # residues of a helix: N, CA and C of each
    [0.000, 0.000, 0.000], [1.458, 0.000, 0.000], [2.009, 1.420, 0.000],
    [1.441, 2.279, -0.840], [1.881, 3.666, -0.932], [1.723, 4.379, 0.407],
]
lines = []
for first, shift in ((1, 0.0), (11, 20.0)):  # residues 3 to 10 were not seen
    for i, (x, y, z) in enumerate(TWO):
        lines.append(f"ATOM  {len(lines) + 1:5}  {('N', 'CA', 'C')[i % 3]:3} ALA A{first + i // 3:4}    "
                     f"{x:8.3f}{y:8.3f}{z + shift:8.3f}  1.00  0.00           {'NCC'[i % 3]}")
with open("gap.pdb", "w") as file:
    file.write("\n".join([*lines, "TER", "END", ""]))

structures = gemmi.read_structure("gap.pdb")
structures.setup_entities()
chain = structures[0][0]
atoms = PDBFile.read("gap.pdb").get_structure(model=1)
phi = {
    "gemmi": [
        math.degrees(gemmi.calculate_phi_psi(chain.previous_residue(one), one, chain.next_residue(one))[0])
        for one in chain.get_polymer()
    ],
    "mdtraj": [math.nan, *np.degrees(mdtraj.compute_phi(mdtraj.load("gap.pdb"))[1][0])],
    "biotite": np.degrees(structure.dihedral_backbone(atoms)[0]),
}
for name, angles in phi.items():
    print(f"{name}: phi of residues 1, 2, 11 and 12 is", *(f"{angle:.1f}" for angle in angles))
c, n = atoms.coord[atoms.atom_name == "C"][1], atoms.coord[atoms.atom_name == "N"][2]
print(f"C of residue 2 and N of residue 11 are {np.linalg.norm(n - c):.1f} Angstrom apart, "
      f"atom {structure.check_backbone_continuity(atoms)} is behind a gap by biotite")
given = all(np.isfinite(angles[1:]).all() and np.isnan(angles[0]) for angles in phi.values())
raise SystemExit(0 if given else "changed: an angle over a gap is no longer given")
PYTHON
