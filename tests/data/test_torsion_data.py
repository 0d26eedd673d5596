"""Torsion angles as data: degrees become radians, splits keep structures, labels have names."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.structures import ADK, of_residues, write

from genlab.config.build import build
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.look import look_at
from genlab.data import TorsionData
from genlab.data.torsions.structure_files import StructureFiles
from genlab.errors import UserError

DATA = Path(os.environ.get("GENLAB_DATA", "data"))
RNA = DATA / "torus" / "rna.tsv"
NOWHERE = "data.source.mirrors=[http://127.0.0.1:9/]"


def data_of(*words: str) -> TorsionData:
    config = compose("train", ["model=nsf", *words])
    check(config)
    look_at(config)
    data: TorsionData = build(config, "data")
    return data


def refusal(*words: str) -> str:
    with pytest.raises(UserError) as refused:
        data_of(*words)
    text = str(refused.value)
    assert len(text.splitlines()) <= 2
    return text


@pytest.fixture
def table(tmp_path: Path) -> tuple[str, ...]:
    """The words for a published table of proteins of which a few rows are left."""
    random = np.random.default_rng(0)
    kinds = ["General", "Glycine", "Proline", "Pre-Pro"]
    rows = [
        f"{entry}\t{phi:.2f}\t{psi:.2f}\t{kinds[row % 4]}"
        for entry in ("1abc", "2NA", "NA", "4xyz", "5e10")
        for row, (phi, psi) in enumerate(random.uniform(-180, 180, (20, 2)))
    ]
    content = "\n".join(rows).encode() + b"\n"
    (tmp_path / "torus").mkdir()
    (tmp_path / "torus" / "protein.tsv").write_bytes(content)
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return (
        "data=protein_torsions",
        f"data.root={tmp_path}",
        f"data.source.checksum={checksum}",
        NOWHERE,
    )


def test_degrees_become_radians_in_one_turn(tmp_path: Path) -> None:
    data = data_of("data=torsions", f"data.path={ADK}")
    read = StructureFiles(str(ADK)).read(["phi", "psi"]).degrees
    parts = [part.x for part in data.sets if part is not None]
    whole = torch.cat(parts).double()
    assert ((whole >= -math.pi - 1e-6) & (whole < math.pi)).all()
    order = np.lexsort(np.rad2deg(whole.numpy()).T)
    np.testing.assert_allclose(
        np.rad2deg(whole.numpy())[order], read[np.lexsort(read.T)], atol=1e-4
    )
    assert (data.columns, data.angles, data.degrees) == (("phi", "psi"), (0, 1), True)
    assert data.remarks[-1] == "168 rows to learn from, 22 to validate, 22 to test, split by row"


def test_files_have_degrees(table: tuple[str, ...]) -> None:
    data = data_of(*table, "data.residue=null")
    rows = torch.tensor([[math.pi / 2, -math.pi, 7.0]], dtype=torch.float64)
    shown = data.in_file_units(rows)
    torch.testing.assert_close(shown, torch.tensor([[90.0, -180.0, 7.0]], dtype=torch.float64))
    torch.testing.assert_close(data.in_data_units(shown), rows)


def test_a_kind_of_residue_is_chosen_by_its_name_here(table: tuple[str, ...]) -> None:
    sizes = {}
    for residue in ("general", "glycine", "pre_proline", "null"):
        data = data_of(*table, f"data.residue={residue}")
        sizes[residue] = sum(len(part.x) for part in data.sets if part is not None)
    assert sizes == {"general": 25, "glycine": 25, "pre_proline": 25, "null": 100}
    told = refusal(*table, "data.residue=pro")
    assert told == "data.residue=pro: no row is of that; did you mean 'proline'?"


def test_labels_number_the_kinds(table: tuple[str, ...]) -> None:
    config = compose("train", ["model=nsf", *table, "data.residue=null", "data.condition=residue"])
    assert (config.model.labels, config.data.labels) == (4, 4)
    data: TorsionData = build(config, "data")
    assert data.label_names == ("general", "glycine", "pre_proline", "proline")
    contexts = torch.cat([part.context for part in data.sets if part is not None])
    assert contexts.bincount().tolist() == [25, 25, 25, 25]


@pytest.mark.parametrize("split_by", ["row", "entry"])
def test_test_rows_know_their_structure(table: tuple[str, ...], split_by: str) -> None:
    data = data_of(
        *table, "data.residue=null", f"data.split_by={split_by}", "data.test_fraction=0.4"
    )
    assert data.test is not None
    assert data.test_groups is not None
    source = data.source.read(["phi", "psi"])
    entry_of = {
        tuple(row): entry
        for row, entry in zip(
            np.deg2rad(source.degrees).astype(np.float32).tolist(), source.entries, strict=True
        )
    }
    entries = [entry_of[tuple(row)] for row in data.test.x.tolist()]
    pairs = set(zip(data.test_groups.tolist(), entries, strict=True))
    assert len(pairs) == len({group for group, _ in pairs}) == len(set(entries))
    assert split_by == "row" or len(pairs) == 2


def test_a_split_by_entry_keeps_each_structure_together(table: tuple[str, ...]) -> None:
    def rows(**settings: Any) -> list[set[tuple[float, ...]]]:
        words = [f"data.{key}={value}" for key, value in settings.items()]
        parts = data_of(*table, "data.residue=null", "data.split_by=entry", *words).sets
        return [{tuple(row) for row in part.x.tolist()} for part in parts if part is not None]

    train, validation, test = rows(test_fraction=0.3)
    assert [len(part) for part in (train, validation, test)] == [40, 20, 40]
    assert not train & validation
    assert not test & (train | validation)
    assert rows(test_fraction=0.3, split_seed=1) != [train, validation, test]
    assert rows(test_fraction=0.3) == [train, validation, test]


@pytest.mark.skipif(not RNA.is_file(), reason="GENLAB_DATA holds no torus/rna.tsv")
def test_the_published_rna() -> None:
    data = data_of("data=rna_torsions", "data.condition=residue")
    assert [len(part.x) for part in data.sets if part is not None] == [7582, 948, 948]
    assert data.label_names == ("A", "C", "G", "U")
    by_entry = data_of("data=rna_torsions", "data.split_by=entry")
    assert by_entry.source.read(["chi"]).units("entry")[0] == 113
    assert sum(len(part.x) for part in by_entry.sets if part is not None) == 9478
    changed = refusal("data=rna_torsions", "data.source.checksum=git:00", NOWHERE)
    assert changed.startswith(f"data.root: {RNA} is damaged or another one (checksum git:95baea8b")


ONE = f"data.path={ADK}"
CUT = """data_cut
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.label_atom_id
ATOM 1 N
ATOM 2
"""
MISTAKES = {
    ("data=torsions",): "data.path: missing; set it by data.path=VALUE",
    ("data=torsions", "data.path=nowhere"): "nowhere: no such file or folder",
    ("data=torsions", "data.path=empty"): "empty: holds no structure; expected .pdb or .ent or ",
    ("data=torsions", "data.path=a.txt"): "a.txt: expected a structure that ends in .pdb or ",
    ("data=torsions", "data.path=torn.cif"): "torn.cif cannot be read as a structure (line 1: exp",
    ("data=torsions", "data.path=cut.cif"): (
        "cut.cif cannot be read as a structure (line 2: Wrong number of values in loop _atom_site"
    ),
    ("data=torsions", "data.path=text.pdb"): "text.pdb: holds no atoms; expected structures of PDB",
    ("data=torsions", "data.path=none.pdb"): "none.pdb: holds no atoms; expected structures of PDB",
    ("data=torsions", "data.path=seq.fasta"): "seq.fasta: expected a structure that ends in .pdb",
    ("data=torsions", "data.path=seq.pdb"): "seq.pdb: holds no atoms; expected structures of PDB",
    ("data=torsions", "data.path=seq.cif"): "(line 1: expected block header (data_))",
    ("data=torsions", "data.path=single.pdb"): "and a chain of one residue has none to a neighbour",
    ("data=torsions", "data.path=water.pdb"): "water.pdb: no residue has phi and psi",
    ("data=torsions", ONE, "data.columns=[phy]"): "data.columns: no angle 'phy'; did you mean",
    ("data=torsions", ONE, "data.columns=[phi,phi]"): "data.columns: 'phi' is given twice",
    ("data=torsions", ONE, "data.columns=[]"): "data.columns=[]: expected some of phi, psi, omega",
    ("data=torsions", ONE, "data.columns=[phi,alpha]"): (
        "none to a neighbour\nadk_open.pdb.gz has phi, psi, omega, chi1, chi2, chi3, chi4, chi5"
    ),
    (
        "data=torsions",
        ONE,
        "data.residue=gly",
    ): "data.residue=gly: no row is of that; did you mean 'GLY'?",
    ("data=torsions", ONE, "data.split_by=entry"): (
        "nothing is left to learn from, of 1 structure; data.split_by=row divides them"
    ),
    ("data=torsions", ONE, "data.split_by=chain"): "data.split_by=chain: expected row or entry",
    ("data=torsions", ONE, "data.condition=label"): "data.condition=label: expected residue or",
    ("data=torsions", ONE, "data.condition=residue", "data.residue=GLY"): (
        "data.condition=residue: all rows are of GLY"
    ),
    ("data=torsions", ONE, "data.train_size=500"): "data.train_size=500: there are 168 rows to lea",
    ("data=torsions", ONE, "data.val_fraction=0"): "data.val_fraction=0: expected some rows",
    ("data=rna_torsions", "data.root=empty", NOWHERE): (
        "rna.tsv is not there, and no mirror has it (ConnectionError). Put it into"
    ),
    ("data=ramachandran", "data.residue=alanine"): (
        "data.residue=alanine: expected general, glycine, proline or pre_proline"
    ),
    ("data=table", "data.path=degrees.csv", "data.circular=[phi,psi]"): (
        "reaches 179 in size; expected angles in radians, at most 6.28319; data.degrees=true reads"
    ),
    ("data=table", "data.path=years.csv", "data.circular=[phi]", "data.degrees=true"): (
        "reaches 2024 in size; expected angles in degrees, at most 360"
    ),
    ("data=table", "data.path=degrees.csv", "data.circular=[fi]"): (
        "data.circular: no column 'fi'; choose from: phi, psi"
    ),
    ("data=table", "data.path=degrees.csv", "data.circular=[phi,psi]", "data.drop=[psi]"): (
        "data.circular: 'psi' is no column to learn; expected some of phi"
    ),
    ("data=table", "data.path=degrees.csv", "data.circular=[phi]", "data.condition=[phi]"): (
        "data.circular: 'phi' is no column to learn; expected some of psi"
    ),
    ("data=table", "data.path=gap.csv", "data.circular=[phi]", "data.degrees=true"): (
        "1 of 60 rows lack a number ('phi' 1; the first is row 3); data.missing=drop leaves these"
    ),
    (
        "data=table",
        "data.path=gap.csv",
        "data.circular=[phi]",
        "data.degrees=true",
        "data.missing=impute_median",
    ): "column 'phi' lacks numbers, and an angle has no median; data.missing=drop leaves its",
}


@pytest.mark.parametrize(("words", "answer"), MISTAKES.items(), ids=map(" ".join, MISTAKES))
def test_mistakes_are_answered(
    words: tuple[str, ...], answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("phi psi")
    (tmp_path / "torn.cif").write_text("phi psi\n1 2\n")
    (tmp_path / "text.pdb").write_text("phi psi\n")
    (tmp_path / "none.pdb").write_text("")
    for name in ("seq.fasta", "seq.pdb", "seq.cif"):
        (tmp_path / name).write_text(">4AKE\nMRIILLGAPGAGKGTQAQFIMEKYG\n")
    (tmp_path / "cut.cif").write_text(CUT)
    write(tmp_path / "single.pdb", of_residues(7, 7))
    (tmp_path / "water.pdb").write_text(
        "HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O\nEND\n"
    )
    angles = np.linspace(-179, 178.7, 60)
    columns = np.column_stack([angles, np.cos(angles) * 90, np.arange(1965, 2025)])
    np.savetxt(tmp_path / "degrees.csv", columns[:, :2], "%.3f", ",", header="phi,psi", comments="")
    np.savetxt(
        tmp_path / "years.csv", columns[:, [2, 1]], "%.3f", ",", header="phi,psi", comments=""
    )
    gap = [f"{phi:.3f},{psi:.3f}" for phi, psi in columns[:, :2]]
    gap[2] = "," + gap[2].split(",")[1]
    (tmp_path / "gap.csv").write_text("\n".join(["phi,psi", *gap]))
    assert answer in refusal(*words)


def test_radians_that_are_called_degrees_are_remarked_on(tmp_path: Path) -> None:
    angles = np.random.default_rng(0).uniform(-math.pi, math.pi, (60, 2))
    path = tmp_path / "radians.csv"
    np.savetxt(path, angles, "%.4f", ",", header="phi,psi", comments="")
    words = ("data=table", f"data.path={path}", "data.circular=[phi,psi]")
    assert any("as if in radians" in one for one in data_of(*words, "data.degrees=true").remarks)
    assert not any("as if" in one for one in data_of(*words).remarks)
