"""What a user sees of angles: degrees in files and figures, labels by their names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from data.structures import ADK

from genlab.assembly import load
from genlab.cli.main import main

RUN = (
    *("model=nsf", "model.layers=2", "model.hidden=[8]", "model.bins=4"),
    *(
        "data.batch_size=32",
        "trainer.max_steps=6",
        "trainer.val_every=3",
        "trainer.accelerator=cpu",
    ),
    *("callbacks=minimal", "logger=none"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run learned the angles of a structure, given the residue."""
    folder = tmp_path_factory.mktemp("angles")
    shutil.copy(ADK, folder / "adk.pdb.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ("data=torsions", "data.path=adk.pdb.gz", "data.condition=residue")
        assert main(["train", *RUN, *words]) == 0
    (folder / "adk.pdb.gz").unlink()  # what follows needs no structure
    return folder


@pytest.fixture(autouse=True)
def _inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_samples_are_a_table_in_degrees(capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "sample",
        "latest",
        "--condition",
        "GLY",
        "-n",
        "500",
        "--seed",
        "3",
        "-o",
        "new.csv",
    ]
    assert main(command) == 0, capsys.readouterr().err
    table = pd.read_csv("new.csv")
    assert list(table.columns) == ["phi", "psi", "residue"]
    assert set(table.pop("residue")) == {"GLY"}
    assert table.abs().max().max() <= 180.001
    assert table.abs().max().min() > 100
    run = load("latest")
    gly = run.data.label_names.index("GLY")
    assert main(["sample", "latest", "--condition", str(gly), "-n", "500", "--seed", "3", "-o",
                 "same.npy"]) == 0  # fmt: skip
    np.testing.assert_allclose(np.load("same.npy"), table.to_numpy(), rtol=1e-5)


def test_a_label_that_there_is_not_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "latest", "--condition", "GLN2"]) == 2
    told = capsys.readouterr().err
    assert "--condition: got 'GLN2'; did you mean 'GLN'?" in told


def test_a_loaded_run_takes_and_gives_degrees_and_residues() -> None:
    run = load("latest")
    drawn = run.sample(50, ["GLY", "ALA"], seed=3)
    assert list(drawn.columns) == ["phi", "psi", "residue"]
    assert drawn["residue"].value_counts().to_dict() == {"GLY": 50, "ALA": 50}
    angles = drawn[["phi", "psi"]]
    assert 100 < angles.abs().max().max() <= 180.001
    numbers = drawn["residue"].map(run.data.label_names.index)
    expected = run.model.log_prob(
        torch.deg2rad(torch.tensor(angles.to_numpy())), torch.tensor(numbers.to_numpy())
    )
    found = run.log_prob(drawn[["residue", "psi", "phi"]])
    np.testing.assert_allclose(found, expected.detach(), atol=1e-3)
    np.testing.assert_allclose(run.log_prob(angles, drawn["residue"]), found)


def test_figures_show_whole_turns() -> None:
    shutil.copy(ADK, "adk.pdb.gz")
    run = load("latest")
    figure = run.draw()["samples"]
    for axis in figure.axes[:3]:
        assert [label.get_text() for label in axis.get_xticklabels()] == [
            *("\N{MINUS SIGN}180", "\N{MINUS SIGN}90", "0", "90", "180"),
        ]
        assert axis.get_xlim() == pytest.approx((-np.pi, np.pi))
        assert (axis.get_xlabel(), axis.get_ylabel()) == (
            r"$\phi$ (degrees)",
            r"$\psi$ (degrees)",
        )


def test_scores_take_degrees_and_are_nats_in_radians(tmp_path: Path) -> None:
    outputs = f"outputs={tmp_path}"
    assert main(["train", *RUN, "data=ramachandran", "data.residue=proline", "data.val_size=50",
                 "data.test_size=50", outputs]) == 0  # fmt: skip
    (run,) = [path.parent for path in tmp_path.rglob("run.json")]
    degrees = np.array([[-65.0, 140.0], [180.0, -30.0], [-180.0, -30.0]])
    np.savetxt("points.csv", degrees, "%.1f", ",", header="phi,psi", comments="")
    assert main(["score", str(run), "-i", "points.csv", "-o", "scores.csv"]) == 0
    found = pd.read_csv("scores.csv")
    model = load(run).density.double()
    expected = model.log_prob(torch.deg2rad(torch.from_numpy(degrees))).detach()
    np.testing.assert_allclose(found["log_prob"], expected, rtol=1e-9)
    np.testing.assert_array_equal(found[["phi", "psi"]], degrees)
    assert found["log_prob"][1] == found["log_prob"][2]
