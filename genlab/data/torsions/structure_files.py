"""Torsion angles of a user's own structures, from PDB and mmCIF files."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.torsions.angles import ANGLES, atoms_of
from genlab.data.torsions.rows import Torsions, TorsionSource
from genlab.errors import UserError, first_few, plural
from genlab.runs.settings import checksum

__all__ = ["STRUCTURES", "StructureFiles", "is_structure", "list_structures"]

STRUCTURES = (".pdb", ".ent", ".cif", ".mmcif")
"""What files of structures end in, before a .gz."""
# Atoms that are bonded from one residue to the next, and the length in angstrom up to which they
# are: half as much again as it should be, which no gap is.
LINKS = (("C", "N", 2.0), ("O3'", "P", 2.4))
# Any two bonded atoms lie so far apart, in angstrom: placeholders share a place, or are far off.
BOND = (0.5, 3.0)
# The columns of a PDB's coordinates, from 0, and what a number there looks like.
PLACES = (slice(30, 38), slice(38, 46), slice(46, 54))
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*", re.I)


class StructureFiles(TorsionSource):
    """Angles of all chains in a file, or in all files of a folder, which name the structures.

    Each chain is followed by itself, over bonds: an angle that takes an atom of a neighbour is
    there only where the two are bonded, so neither at a chain's end nor at a gap. Atoms whose
    coordinates are no numbers, and such as lie nowhere near their neighbours, have none. Of
    alternative locations the first is taken, of several models (NMR) the first as well. Atoms are
    known by their names alone, whatever columns they stand in.

    Args:
        path: The file, or a folder of files that end in .pdb, .ent, .cif or .mmcif, or in these and
            .gz.
    """

    angles = ANGLES

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def read(self, angles: Sequence[str]) -> Torsions:
        files = list_structures(self.path)
        if find_spec("gemmi") is None:
            raise UserError(
                f"path={self.path}: structures take the package gemmi; "
                "pip install 'genlab[proteins]'"
            )
        return _read(self.path, checksum(self.path), tuple(files), tuple(angles))


def list_structures(path: Path) -> list[Path]:
    """The files of structures, in order.

    Raises:
        UserError: There is no such file or folder, or none in it.
    """
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if is_structure(file)]
        if not files:
            raise UserError(f"path={path}: holds no structure; expected {' or '.join(STRUCTURES)}")
        return files
    if not path.is_file():
        raise UserError(f"path={path}: no such file or folder")
    if not is_structure(path):
        raise UserError(f"path={path}: expected a structure that ends in {' or '.join(STRUCTURES)}")
    return [path]


def is_structure(file: Path) -> bool:
    """Whether a file ends as structures do."""
    return file.name.lower().removesuffix(".gz").endswith(STRUCTURES) and file.is_file()


def _name(file: Path) -> str:
    """The name of a structure: that of its file, without what says how it is written."""
    return (file if file.suffix.lower() != ".gz" else file.with_suffix("")).stem


@lru_cache(maxsize=4)  # asked for again by all that is known before a run begins
def _read(path: Path, _: str, files: tuple[Path, ...], angles: tuple[str, ...]) -> Torsions:
    rows: list[list[float]] = []
    residues: list[str] = []
    entries: list[str] = []
    several: list[str] = []
    unreadable: list[str] = []
    lacking = atoms = 0
    for file in files:
        structure, lost = _structure(file)
        unreadable += [f"{file.name} {what}" for what in lost]
        if len(structure) > 1:
            several.append(file.name)
        for chain in _first_model(structure):
            atoms += chain.count_atom_sites()
            for residue, values in _walk(chain, angles):
                if any(map(math.isnan, values)):
                    lacking += any(map(math.isfinite, values))
                    continue
                rows.append(values)
                residues.append(residue)
                entries.append(_name(file))
    nowhere: list[str] = []
    if n := len(unreadable):
        what = f"{n} {plural('atom', n)} without readable coordinates"
        nowhere = [f"{what}: {first_few(unreadable, 3)}"]
    if not atoms:
        told = ["holds no atoms; expected structures of PDB or mmCIF", *nowhere]
        raise UserError(f"path={path}: {'; '.join(told)}")
    if not rows:
        known = _found(files[0])
        hint = f"\n{files[0].name} has {', '.join(known)}" if known else ""
        raise UserError(
            f"path={path}: no residue has {' and '.join(angles)}; an angle takes atoms that are "
            "bonded in a row, and a chain of one residue has none to a neighbour"
            f"{hint}"
        )
    kept = len(set(entries))
    told = [f"{path}: {len(rows)} residues of {kept} {plural('structure', kept)}", *nowhere]
    if lacking:
        told.append(f"{lacking} residues have some of {', '.join(angles)}, but not all: left out")
    if several:
        told.append(f"several models, of which the first counts: {first_few(several)}")
    return Torsions(np.array(rows), np.array(residues), np.array(entries), tuple(told))


def _structure(file: Path) -> tuple[Any, list[str]]:
    """A structure, and its atoms without coordinates: a PDB's by what it has there, else by name.

    Of a PDB's coordinate gemmi takes the digits at its start, or 0; of mmCIF's it makes NaN. It
    takes what there is of a compressed file that is torn.
    """
    import gemmi

    try:
        text = _text(file)
        structure = gemmi.read_structure(str(file))
    except (RuntimeError, ValueError, OSError, IndexError, EOFError, zlib.error) as error:
        # gemmi tells the file, the line, the column and the byte; an empty file is an IndexError.
        reason = re.sub(r"^.*:(\d+):\d+\(\d+\): ", r"line \1: ", str(error).partition("\n")[0])
        raise UserError(f"`path`: {file} cannot be read as a structure ({reason})") from None
    if structure.input_format != gemmi.CoorFormat.Pdb:
        return structure, [
            f"{atom.name} of {residue}"
            for chain in _first_model(structure)
            for residue in chain
            for atom in residue
            if math.isnan(atom.pos.length())
        ]
    lines = [(line, _unreadable(line)) for line in text.split("\n")]
    lost = [repr(field.strip()) for _, field in lines if field is not None]
    if lost:
        # An ANISOU belongs to the atom before it, which may be gone.
        kept = (line for line, field in lines if field is None and line[:6].upper() != "ANISOU")
        structure = gemmi.read_structure_string("\n".join(kept), format=gemmi.CoorFormat.Pdb)
    return structure, lost


def _unreadable(line: str) -> str | None:
    """The first coordinate of an atom's line in a PDB that is no number; None if there is none."""
    if line[:4].upper() not in ("ATOM", "HETA"):
        return None
    return next((line[k] for k in PLACES if not NUMBER.fullmatch(line[k])), None)


def _text(file: Path) -> str:
    opened = gzip.open if file.suffix.lower() == ".gz" else open
    with opened(file, "rt", encoding="latin-1") as text:
        return str(text.read())


def _first_model(structure: Any) -> Any:
    """Its chains; none in a file that holds nothing."""
    return structure[0] if len(structure) else ()


def _found(file: Path) -> list[str]:
    """The angles that residues of a structure have."""
    rows = [row for chain in _first_model(_structure(file)[0]) for _, row in _walk(chain, ANGLES)]
    return [
        angle
        for place, angle in enumerate(ANGLES)
        if any(math.isfinite(row[place]) for row in rows)
    ]


def _walk(chain: Any, angles: Sequence[str]) -> Iterator[tuple[str, list[float]]]:
    """Each residue of a chain by its name, with its angles in degrees, NaN for those it lacks."""
    residues = list(chain.first_conformer())
    atoms = [
        {atom.name.replace("*", "'"): atom.pos for atom in residue.first_conformer()}
        for residue in residues
    ]
    bonded = [
        residues[place].segment == residues[place + 1].segment
        and any(
            first in atoms[place]
            and last in atoms[place + 1]
            and atoms[place][first].dist(atoms[place + 1][last]) < length
            for first, last, length in LINKS
        )
        for place in range(len(residues) - 1)
    ]
    reached = [False, *bonded, False]  # whether the neighbours of a place before and behind are
    for place, residue in enumerate(residues):
        near = {"": atoms[place]}
        if reached[place]:
            near["-"] = atoms[place - 1]
        if reached[place + 1]:
            near["+"] = atoms[place + 1]
        names = (atoms_of(angle, residue.name, atoms[place]) for angle in angles)
        yield residue.name, [_angle(four, near) for four in names]


def _angle(names: Sequence[str], near: dict[str, dict[str, Any]]) -> float:
    """The torsion in degrees between four atoms, NaN where one is missing, or two are unbound."""
    import gemmi

    found: list[Any] = [
        near.get(name[: -len(name.lstrip("+-"))], {}).get(name.lstrip("+-")) for name in names
    ]
    if not found or None in found:
        return math.nan
    if not all(BOND[0] < a.dist(b) < BOND[1] for a, b in pairwise(found)):
        return math.nan
    return math.degrees(gemmi.calculate_dihedral(*found))
