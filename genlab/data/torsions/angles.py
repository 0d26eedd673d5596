"""Torsion angles of proteins and nucleic acids: between which atoms each of them lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genlab.errors import UserError, nearest

__all__ = ["ANGLES", "atoms_of", "check_angles"]

# Four atoms in a row; those of the residue before and behind are marked by - and + (IUPAC-IUB
# Commission on Biochemical Nomenclature, Biochemistry 9, 1970, and Eur. J. Biochem. 131, 1983).
BACKBONE = {
    "phi": "-C N CA C",
    "psi": "N CA C +N",
    "omega": "CA C +N +CA",
    "alpha": "-O3' P O5' C5'",
    "beta": "P O5' C5' C4'",
    "gamma": "O5' C5' C4' C3'",
    "delta": "C5' C4' C3' O3'",
    "epsilon": "C4' C3' O3' +P",
    "zeta": "C3' O3' +P +O5'",
}
# The way from the backbone through the side chain: chi1 is the first four atoms, chi2 the next.
SIDE_CHAINS = {
    "ARG": "N CA CB CG CD NE CZ NH1",
    "ASN": "N CA CB CG OD1",
    "ASP": "N CA CB CG OD1",
    "CYS": "N CA CB SG",
    "GLN": "N CA CB CG CD OE1",
    "GLU": "N CA CB CG CD OE1",
    "HIS": "N CA CB CG ND1",
    "ILE": "N CA CB CG1 CD1",
    "LEU": "N CA CB CG CD1",
    "LYS": "N CA CB CG CD CE NZ",
    "MET": "N CA CB CG SD CE",
    "MSE": "N CA CB CG SE CE",
    "PHE": "N CA CB CG CD1",
    "PRO": "N CA CB CG CD",
    "SER": "N CA CB OG",
    "THR": "N CA CB OG1",
    "TRP": "N CA CB CG CD1",
    "TYR": "N CA CB CG CD1",
    "VAL": "N CA CB CG1",
}
# What force fields call histidine by its protons.
SIDE_CHAINS |= dict.fromkeys(("HSD", "HSE", "HSP", "HID", "HIE", "HIP"), SIDE_CHAINS["HIS"])
# From the sugar to the base, of purines and of pyrimidines.
BASES = ("O4' C1' N9 C4", "O4' C1' N1 C2")
# Pseudouridines, whose base hangs on a carbon.
CARBON_BASES = dict.fromkeys(("PSU", "3TD", "B8N"), "O4' C1' C5 C4")
ANGLES = (*BACKBONE, "chi", "chi1", "chi2", "chi3", "chi4", "chi5")
"""Names of the angles; ``chi`` is a nucleotide's, ``chi1`` to ``chi5`` are side chains'."""


def atoms_of(angle: str, residue: str, atoms: Mapping[str, object]) -> Sequence[str]:
    """The atoms that an angle of a residue lies between; none where it has no such angle.

    Args:
        angle: One of `ANGLES`.
        residue: The name of the residue.
        atoms: Its atoms by their names.

    >>> atoms_of("chi2", "LYS", {})
    ['CA', 'CB', 'CG', 'CD']
    >>> atoms_of("chi", "C", {}), atoms_of("chi", "PSU", {})
    (["O4'", "C1'", 'N1', 'C2'], ["O4'", "C1'", 'C5', 'C4'])
    """
    if angle in BACKBONE:
        return BACKBONE[angle].split()
    if angle == "chi":
        return CARBON_BASES.get(residue, BASES["N9" not in atoms]).split()
    first = int(angle.removeprefix("chi")) - 1
    chain = SIDE_CHAINS.get(residue, "")
    if "CD1" not in atoms and residue == "ILE":  # as CHARMM calls it
        chain = chain.replace("CD1", "CD")
    four = chain.split()[first : first + 4]
    return four if len(four) == 4 else []


def check_angles(angles: Sequence[str], known: Sequence[str] = ANGLES) -> None:
    """Refuse names of angles that nothing is called by.

    Raises:
        UserError: A name is unknown or given twice, or there is none.
    """
    if not angles:
        raise UserError(f"columns=[]: expected some of {', '.join(known)}")
    for angle in angles:
        if angle not in known:
            raise UserError(f"columns: no angle {angle!r}; {nearest(angle, known)}")
    if len(set(angles)) < len(angles):
        twice = next(one for one in angles if list(angles).count(one) > 1)
        raise UserError(f"columns: {twice!r} is given twice")
