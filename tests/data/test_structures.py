"""Angles that are read from structures: another program's, and none where there is no bond."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import gemmi
import numpy as np
import pandas as pd
import pytest
from data.structures import ADK, HERE, LINES, marked, moved, of_residues, write

from genlab.data.torsions import structure_files
from genlab.data.torsions.angles import ANGLES
from genlab.data.torsions.rows import Torsions
from genlab.data.torsions.structure_files import StructureFiles
from genlab.errors import UserError

BACKBONE = ["phi", "psi"]
FACTS = pd.read_csv(HERE / "adk_angles.csv", comment="#")


def read(path: Path, *angles: str) -> Torsions:
    return StructureFiles(str(path)).read(angles or BACKBONE)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference of angles in degrees, modulo whole turns."""
    return float(np.abs((first - second + 180) % 360 - 180).max())


@pytest.mark.parametrize(
    "angles", [["phi"], ["psi"], ["omega"], ["chi1"], ["phi", "psi"], ["omega", "chi1", "phi"]]
)
def test_angles_are_those_of_mdanalysis(angles: list[str]) -> None:
    theirs = FACTS.dropna(subset=angles)
    ours = read(ADK, *angles)
    assert ours.residues.tolist() == theirs["residue"].tolist()
    assert difference(ours.degrees, theirs[angles].to_numpy()) < 1e-3


def test_a_side_chain_has_as_many_angles_as_it_is_long() -> None:
    counts = [len(read(ADK, f"chi{k}").degrees) for k in range(1, 6)]
    assert counts == sorted(counts, reverse=True)
    assert set(read(ADK, "chi5").residues) == {"ARG"}
    assert len(read(ADK, "chi2", "chi1").degrees) == counts[1]
    # Isoleucine's last carbon has two names.
    assert "ILE" in read(ADK, "chi2").residues


def test_a_chain_ends_where_another_begins(tmp_path: Path) -> None:
    first, second = of_residues(1, 20), of_residues(21, 40)
    # Bonded in one chain; with a chain for each the same atoms have two more ends.
    whole = read(write(tmp_path / "one.pdb", [*first, *second]))
    halves = read(write(tmp_path / "two.pdb", [*marked(first, 22, "A"), *marked(second, 22, "B")]))
    assert (len(whole.degrees), len(halves.degrees)) == (38, 36)
    kept = np.r_[0:18, 20:38]
    np.testing.assert_array_equal(halves.degrees, whole.degrees[kept])
    segments = [*marked(first, 73, "X"), *marked(second, 73, "Y")]
    assert len(read(write(tmp_path / "segments.pdb", segments)).degrees) == 36


def test_no_angle_goes_across_a_gap(tmp_path: Path) -> None:
    whole = read(write(tmp_path / "whole.pdb", of_residues(1, 30)))
    missing = read(write(tmp_path / "missing.pdb", [*of_residues(1, 9), *of_residues(13, 30)]))
    np.testing.assert_array_equal(missing.degrees, whole.degrees[np.r_[0:7, 12:28]])
    # Numbered in a row, and yet apart.
    apart = [*of_residues(1, 15), *moved(of_residues(16, 30), lambda x: x + 3)]
    np.testing.assert_allclose(
        read(write(tmp_path / "apart.pdb", apart)).degrees,
        whole.degrees[np.r_[0:13, 15:28]],
        atol=1e-9,
    )


def test_alternative_locations_count_once(tmp_path: Path) -> None:
    one = of_residues(1, 10)
    twice = [
        line
        for atom in one
        for line in (
            [*marked([atom], 17, "A"), *moved(marked([atom], 17, "B"), lambda x: x + 0.3)]
            if int(atom[22:26]) == 5
            else [atom]
        )
    ]
    np.testing.assert_array_equal(
        read(write(tmp_path / "twice.pdb", twice)).degrees,
        read(write(tmp_path / "one.pdb", one)).degrees,
    )


def test_of_several_models_the_first_counts(tmp_path: Path) -> None:
    one = of_residues(1, 10)
    other = moved(one, lambda x: 1.1 * x)
    models = ["MODEL        1", *one, "ENDMDL", "MODEL        2", *other, "ENDMDL"]
    found = read(write(tmp_path / "nmr.pdb", models))
    np.testing.assert_array_equal(found.degrees, read(write(tmp_path / "one.pdb", one)).degrees)
    assert found.remarks[-1] == "several models, of which the first counts: nmr.pdb"


def test_mmcif_and_compressed_files_say_the_same(tmp_path: Path) -> None:
    structure = gemmi.read_structure(str(ADK))
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(tmp_path / "adk.cif"))
    text = (tmp_path / "adk.cif").read_bytes()
    (tmp_path / "adk.cif.gz").write_bytes(gzip.compress(text))
    for name in ("adk.cif", "adk.cif.gz"):
        assert difference(read(tmp_path / name).degrees, read(ADK).degrees) < 1e-6


@pytest.mark.parametrize("ending", ["pdb.gz", "cif.gz"])
def test_compressed_files_that_are_torn_or_not_compressed_are_refused(
    tmp_path: Path, ending: str
) -> None:
    """gemmi reads a part of the first ones, and a PDB of a part is one of fewer residues."""
    structure = gemmi.read_structure(str(ADK))
    structure.setup_entities()
    document = structure.make_mmcif_document()
    text = "\n".join(of_residues(1, 60)) if ending == "pdb.gz" else document.as_string()
    whole = gzip.compress(text.encode(), mtime=0)
    path = tmp_path / f"adk.{ending}"
    path.write_bytes(whole)
    assert len(read(path).degrees) > 50
    wrong = bytes(reversed(whole[300:600]))
    for held in (whole[:-9], whole[: len(whole) // 2], whole[:300] + wrong, text.encode()):
        path.write_bytes(held)
        with pytest.raises(UserError, match=rf"{path.name} cannot be read as a structure \(.+\)$"):
            read(path)


def test_an_atom_of_mmcif_without_coordinates_is_named(tmp_path: Path) -> None:
    structure = gemmi.read_structure(str(ADK))
    structure.setup_entities()
    document = structure.make_mmcif_document()
    table = document.sole_block().find("_atom_site.", ["label_atom_id", "auth_seq_id", "Cartn_x"])
    row = next(row for row in table if [*row][:2] == ["CA", "12"])
    row[2] = "?"
    document.write_file(str(tmp_path / "torn.cif"))
    found = read(tmp_path / "torn.cif")
    np.testing.assert_allclose(found.degrees, np.delete(read(ADK).degrees, 10, 0), atol=1e-6)
    residue = LINES[[line[12:26].split()[::2] for line in LINES].index(["CA", "12"])][17:20]
    told = f"1 atom without readable coordinates: torn.cif CA of 12({residue})"
    assert found.remarks[1] == told


def test_a_folder_holds_structures_by_their_files(tmp_path: Path) -> None:
    write(tmp_path / "b.pdb", of_residues(1, 10))
    write(tmp_path / "a.ent", of_residues(1, 20))
    (tmp_path / "notes.txt").write_text("none")
    found = read(tmp_path)
    assert found.entries.tolist() == ["a"] * 18 + ["b"] * 8
    assert found.units("entry")[0] == 2
    assert found.remarks[0] == f"{tmp_path}: 26 residues of 2 structures"
    for number in (1, 2):  # numbered behind a point: a structure each
        text = "\n".join([*of_residues(1, 5), "END"]).encode()
        (tmp_path / f"m.{number}.pdb.gz").write_bytes(gzip.compress(text))
    assert read(tmp_path).units("entry")[0] == 4


def test_a_flat_angle_is_180_whichever_way_the_atoms_are_given() -> None:
    """Both signs of it are the same point of the circle, which begins at -pi."""
    places = [(0, 1, 0), (0, 0, 0), (1, 0, 0), (1, -1, 0)]
    near = {"": {str(k): gemmi.Position(*place) for k, place in enumerate(places)}}
    for order in ("0123", "3210"):
        angle = structure_files._angle(list(order), near)
        assert abs(angle) == pytest.approx(180)
    assert math.isnan(structure_files._angle(["0", "1", "2", "9"], near))
    assert math.isnan(structure_files._angle(["-0", "1", "2", "3"], near))


NUCLEOTIDE = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "chi"]


def test_a_nucleotide_has_the_angles_of_its_own_chain(tmp_path: Path) -> None:
    """Three cytidines in a row, placed at random within bonds: each angle against numpy."""
    atoms = ["P", "O5'", "C5'", "C4'", "C3'", "O3'", "O4'", "C1'", "N1", "C2"]
    random = np.random.default_rng(0)
    xyz = random.uniform(-0.8, 0.8, (3, len(atoms), 3)).round(3)
    xyz[1:, 0] = xyz[:-1, 5] + [1.6, 0, 0]  # bonded: O3' and the next P
    lines = [
        f"ATOM  {10 * k + j + 1:5d}  {atom:<3s}   C A{k + 1:4d}    "
        + "".join(f"{c:8.3f}" for c in xyz[k, j])
        + f"  1.00 10.00          {atom[0]:>2s}"
        for k in range(3)
        for j, atom in enumerate(atoms)
    ]
    found = read(write(tmp_path / "rna.pdb", lines), *NUCLEOTIDE)
    at = {(k, atom): xyz[k, j] for k in range(3) for j, atom in enumerate(atoms)}
    ways = [
        [(0, "O3'"), (1, "P"), (1, "O5'"), (1, "C5'")],
        [(1, "P"), (1, "O5'"), (1, "C5'"), (1, "C4'")],
        [(1, "O5'"), (1, "C5'"), (1, "C4'"), (1, "C3'")],
        [(1, "C5'"), (1, "C4'"), (1, "C3'"), (1, "O3'")],
        [(1, "C4'"), (1, "C3'"), (1, "O3'"), (2, "P")],
        [(1, "C3'"), (1, "O3'"), (2, "P"), (2, "O5'")],
        [(1, "O4'"), (1, "C1'"), (1, "N1"), (1, "C2")],
    ]
    expected = [torsion(*(at[one] for one in way)) for way in ways]
    assert difference(found.degrees, np.array([expected])) < 1e-9
    # A pseudouridine has the same names of atoms, but its base hangs on C5.
    lines = [
        line.replace(" N1  ", " C5  ").replace(" C2  ", " C4  ")[:17] + "PSU" + line[20:]
        for line in lines
    ]
    found = read(write(tmp_path / "psu.pdb", lines), *NUCLEOTIDE)
    assert difference(found.degrees, np.array([expected])) < 1e-9


def torsion(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """The signed angle between the planes of four points, looking along the middle bond."""
    axis = (c - b) / np.linalg.norm(c - b)
    first, last = a - b, d - c
    first, last = first - (first @ axis) * axis, last - (last @ axis) * axis
    return math.degrees(math.atan2(np.cross(axis, first) @ last, first @ last))


@pytest.mark.parametrize("field", ["********", "   abc  ", "        ", " 12,345 ", "     nan"])
@pytest.mark.parametrize("column", [31, 39, 47])
def test_an_atom_without_readable_coordinates_has_no_angle(
    tmp_path: Path, field: str, column: int
) -> None:
    lines = of_residues(1, 30)
    whole = read(write(tmp_path / "whole.pdb", lines)).degrees
    place = next(k for k, line in enumerate(lines) if line[12:26].split()[::2] == ["CA", "12"])
    lines[place] = lines[place][: column - 1] + field + lines[place][column + 7 :]
    found = read(write(tmp_path / "torn.pdb", lines))
    # Of the residues 2 to 29, that one alone takes its CA.
    np.testing.assert_array_equal(found.degrees, np.delete(whole, 10, 0))
    assert found.remarks[1].endswith(
        f"1 atom without readable coordinates: torn.pdb {field.strip()!r}"
    )


def test_atoms_that_stand_in_for_missing_ones_have_no_angle(tmp_path: Path) -> None:
    lines = of_residues(1, 30)
    whole = read(write(tmp_path / "whole.pdb", lines)).degrees
    for name, x in (("zero", 0.0), ("far", 9999.0)):
        of_one = [f"{line[:30]}{f'{x:8.3f}' * 3}{line[54:]}" for line in of_residues(12, 12)]
        found = read(
            write(tmp_path / f"{name}.pdb", [*of_residues(1, 11), *of_one, *of_residues(13, 30)])
        )
        # Nor have its neighbours, which are not bonded to it.
        np.testing.assert_array_equal(found.degrees, np.delete(whole, [9, 10, 11], 0))


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_files, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"take the package gemmi; pip install 'genlab\[proteins\]'"
    ):
        read(ADK)


def test_every_angle_has_its_atoms() -> None:
    assert len(LINES) == 1656
    for angle in ANGLES[:3]:
        assert len(read(ADK, angle).degrees) == 213


def test_ellipsoids_of_such_an_atom_go_with_it(tmp_path: Path) -> None:
    lines = of_residues(1, 30)
    whole = read(write(tmp_path / "whole.pdb", lines)).degrees
    place = next(k for k, line in enumerate(lines) if line[12:26].split()[::2] == ["CA", "12"])
    lines[place] = f"{lines[place][:30]}********{lines[place][38:]}"
    ellipsoids = [f"ANISOU{line[6:28]}{'    100' * 3}{'     10' * 3}" for line in lines]
    both = [one for pair in zip(lines, ellipsoids, strict=True) for one in pair]
    found = read(write(tmp_path / "torn.pdb", both))
    np.testing.assert_array_equal(found.degrees, np.delete(whole, 10, 0))
