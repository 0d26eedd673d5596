"""``genlab show FILE``: what is in a file, and the words that learn it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data.structures import ADK
from field_examples import numbered, waves, write_pdebench, write_well
from small import write_images

from genlab.assembly import experiment
from genlab.cli.commands.show import DATA
from genlab.cli.data_view import ENDINGS
from genlab.cli.main import main


def shown(capsys: pytest.CaptureFixture[str], path: Path | str, status: int = 0) -> str:
    assert main(["show", str(path)]) == status
    captured = capsys.readouterr()
    return captured.out if status == 0 else captured.err


def suggested(text: str) -> list[str]:
    """The words of the command that is suggested first."""
    line = next(line for line in text.splitlines() if line.startswith("learn by"))
    return shlex.split(line.removeprefix("learn by"))[2:]


def test_a_file_of_the_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, write_well(tmp_path / "my fields.hdf5"))
    assert "HDF5 of The Well" in text
    assert "velocity: float32 [sample 3, time 5, x 8, y 8, channel 2]" in text
    assert "channels velocity_x, velocity_y; periodic; 0 to 1919" in text
    assert "viscosity: float64 []; 0.25" in text
    assert "data=fields  15 fields of 1 x 8 x 8 (pressure), periodic" in text
    assert "data.condition=[pressure] data.lag=1" in text
    run = experiment(*suggested(text), "model=realnvp")
    assert run.config["data"]["event_shape"] == [1, 8, 8]


def test_what_a_file_needs_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "oblong.npy", numbered(20, 6, 8))
    assert "data.size=6" in suggested(shown(capsys, tmp_path / "oblong.npy"))
    np.save(tmp_path / "solid.npy", numbered(2, 20, 6, 6, 6))
    text = shown(capsys, tmp_path / "solid.npy")
    assert "data.axes=[sample,time,x,y,sample]" in suggested(text)
    np.save(tmp_path / "holed.npy", np.full((20, 6, 6), np.nan))
    text = shown(capsys, tmp_path / "holed.npy")
    assert "no numbers, NaN alone" in text
    assert "refused" in text
    path = write_pdebench(tmp_path / "cfd.h5", density=waves(20, 8).reshape(4, 5, 8, 8))
    assert "20 fields of 1 x 8 x 8 (density), periodic" in shown(capsys, path)


def test_tables_and_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,5\n")
    text = shown(capsys, tmp_path / "t.csv")
    assert "columns     2: a, b" in text
    assert "b: 2 to 5, mean 3.5" in text
    assert suggested(text)[0] == "data=table"
    rows = [f"{n} May,{'uvw'[n % 3]},{n**2 % 11 if n else ''},{n**3 % 17},7" for n in range(80)]
    rows = [f"{row},{2 * (n**3 % 17)}" for n, row in enumerate(rows)]
    (tmp_path / "words.csv").write_text("\n".join(["day,kind,p [GeV],q,unit,q2", *rows, ""]))
    text = shown(capsys, tmp_path / "words.csv")
    assert "kind: words: u, v, w" in text
    assert "day: 80 different words, such as 0 May" in text
    roles = ["data.drop=[day,unit,q2]", "data.categories=[kind]", "data.missing=drop"]
    assert suggested(text)[2:] == roles
    assert experiment(*suggested(text), "model=gmm").config["data"]["event_shape"] == [5]
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    assert "refused     no column has a density" in shown(capsys, tmp_path / "one.csv")
    np.save(tmp_path / "t.npy", numbered(9, 3))
    text = shown(capsys, tmp_path / "t.npy")
    assert suggested(text)[0] == "data=table"
    assert f"windows of one field: genlab train data=fields data.path={tmp_path / 't.npy'}" in text
    np.save(tmp_path / "holed.npy", np.where(np.eye(9, 3) == 1, np.nan, np.eye(9, 3)[::-1]))
    assert "data.missing=drop" in suggested(shown(capsys, tmp_path / "holed.npy"))
    np.save(tmp_path / "nan.npy", np.full((9, 3), np.nan))
    assert "refused     no column has a density" in shown(capsys, tmp_path / "nan.npy")
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.savez(tmp_path / "apart.npz", a=x[:, 0], b=x[:, 1])
    assert "columns     2: a, b" in shown(capsys, tmp_path / "apart.npz")
    np.savez(tmp_path / "named.npz", x=x, y=x[:, 0])
    assert "columns     2: x1, x2" in shown(capsys, tmp_path / "named.npz")
    pd.DataFrame({"a": x[:, 0], "event_weight": np.arange(50.0) == 3}).to_csv(
        tmp_path / "w.csv", index=False
    )
    assert "as good as 1 rows of equal weight: data.weight=event_weight" in (
        shown(capsys, tmp_path / "w.csv")
    )
    weight = np.arange(50.0) % 3
    weight[40] = np.nan  # 16 ones and 16 twos are left: 48^2 / 80
    pd.DataFrame({"a": x[:, 0], "w": weight, "log_w": np.log(weight + 1)}).to_csv(
        tmp_path / "w.csv", index=False
    )
    text = shown(capsys, tmp_path / "w.csv")
    assert text.count("rows of equal weight") == 1
    assert "as good as 29 rows of equal weight: data.weight=w\n" in text
    assert "log_w: data.weight takes weights themselves, a column of exp(log_w)" in text
    weight[40] = np.inf
    pd.DataFrame({"a": x[:, 0], "w": weight}).to_csv(tmp_path / "w.csv", index=False)
    text = shown(capsys, tmp_path / "w.csv")
    assert "data.drop=[w]" in suggested(text)
    assert "equal weight" not in text
    write_images(tmp_path / "images", 12)
    text = shown(capsys, tmp_path / "images")
    assert "12 images" in text
    assert suggested(text)[0] == "data=image_folder"


def test_structures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gemmi")
    shutil.copy(ADK, tmp_path)
    for path in (tmp_path, tmp_path / ADK.name):
        text = shown(capsys, path)
        assert f"1: {ADK.name}" in text
        assert "that have phi, psi" in text
        assert "note        2 residues have some of phi, psi, but not all: left out" in text
        run = experiment(*suggested(text)[1:], "model=nsf")
        assert run.config["data"]["event_shape"] == [2]
    for name, told in (
        ("e.pdb", "holds no atoms"),
        ("e.cif", "cannot be read as a str"),
    ):
        (tmp_path / name).write_text("")
        assert told in shown(capsys, tmp_path / name)


def test_what_training_refuses_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "one.npy", np.ones((20, 6, 6)))
    assert "'one' is 1 everywhere" in shown(capsys, tmp_path / "one.npy")
    np.save(tmp_path / "two.npy", np.ones((1, 8, 8)))
    text = shown(capsys, tmp_path)
    assert f"folder      {tmp_path}: 2 files for train" in text
    assert "refused" in text
    np.save(tmp_path / "two.npy", waves(20, 8))
    assert "note        two: 62 of 64 modes never vary" in shown(capsys, tmp_path / "two.npy")


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_well(tmp_path / "well.hdf5")
    assert "did you mean 'well.hdf5'" in shown(capsys, tmp_path / "wel.hdf5", 2)
    (tmp_path / "x.dat").write_text("1")
    told = shown(capsys, tmp_path / "x.dat", 2)
    assert all(ending in told for ending in (".csv", ".npy", ".hdf5", ".pdb"))
    assert {*ENDINGS} == {*DATA}
    (tmp_path / "model.pdb").touch()
    assert "did you mean 'model.pdb'" in shown(capsys, tmp_path / "modell.pdb", 2)
    (tmp_path / "nothing").mkdir()
    nothing = tmp_path / "nothing"
    assert shown(capsys, nothing, 2).startswith(f"genlab: {nothing}: no file in it")
    assert "no such run" in shown(capsys, "no-such", 2)


def test_torch_is_not_imported(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", numbered(20, 6, 6))
    code = (
        "import sys; from genlab.cli.main import main; "
        f"main(['show', {str(tmp_path / 'w.npy')!r}]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
