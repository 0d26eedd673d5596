"""Rows that a column cannot hold, or seems not to: of another unit, type, size or name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from collisions import collisions

import genlab
from genlab.cli.point_files import read_rows, write_columns
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.look import look_at
from genlab.config.stored import plain
from genlab.data import TableData
from genlab.data.column_points import refuse_no_room
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.table_file import TableFile
from genlab.errors import UserError

N = 400


def table(frame: pd.DataFrame, folder: Path, *words: str) -> TableData:
    """Collisions in a file, an angle and a category among them."""
    frame.to_csv(folder / "events.csv", index=False)
    columns = ("data.circular=[phi]", "data.categories=[tagged,channel]", *words)
    config = compose("train", ["data=table", f"data.path={folder / 'events.csv'}", *columns])
    check(config)
    look_at(config)
    return TableData(**{k: v for k, v in plain(config)["data"].items() if k != "_target_"})


def test_rounding_to_a_coarse_type_does_not_leave_the_support() -> None:
    columns = ColumnTransforms.of(
        ["p", "q", "n"],
        log=["p"],
        bounds={"q": [None, 0.1]},
        integer=["n"],
        types={"p": "float16", "q": "float32", "n": "int64"},
    )
    frame = columns.frame(np.array([[1e-12, 0.1 - 1e-12, 1e30], [1e9, -1e300, -1e30]]))
    assert [kind.name for kind in frame.dtypes] == ["float16", "float32", "int64"]
    assert (frame["p"] > 0).all()
    assert (frame["q"].astype(float) <= 0.1).all()
    assert np.isfinite(frame).all(axis=None)
    assert frame["n"].tolist() == [2**63 - 1024, -(2**63)]
    columns.refuse_outside("samples", frame.to_numpy(float))


def test_degrees_are_not_taken_for_radians(tmp_path: Path) -> None:
    events = collisions(N)
    turned = events.assign(phi=np.degrees(events["phi"]))
    told = r"column 'phi' of `circular` reaches 1\d\d.* radians, .*`degrees=True` reads degrees"
    with pytest.raises(UserError, match=told):
        genlab.columns(turned[["phi", "pt"]], circular=["phi"])
    columns = genlab.columns(events[["phi", "pt"]], circular=["phi"])
    with pytest.raises(UserError, match=told):
        columns.read(turned)
    data = table(events, tmp_path)
    turned.to_csv(tmp_path / "turned.csv", index=False)
    with pytest.raises(UserError, match=told):
        read_rows(tmp_path / "turned.csv", data)


def test_integers_without_room_for_noise_are_refused() -> None:
    frame = pd.DataFrame({"event": np.arange(100) * 7 + 20_000_000, "y": np.arange(100.0) ** 2})
    columns = genlab.columns(frame, integer=["event"])
    told = "'event' of `integer` reaches 20000693, where float32 .*; use `model.double"
    with pytest.raises(UserError, match=told):
        genlab.fit(genlab.models.RealNVP(2), frame, columns=columns, steps=1)
    refuse_no_room("x", columns, frame.to_numpy(float), torch.float64, "")
    with pytest.raises(UserError, match="float64 leaves no room for noise; subtract a constant"):
        refuse_no_room("x", columns, 1e9 * frame.to_numpy(float), torch.float64, "")


@pytest.mark.parametrize("column", ["channel", "eta"])
def test_a_column_that_is_empty_in_all_training_rows_has_no_median(
    tmp_path: Path, column: str
) -> None:
    events = collisions(N)
    empty = events.assign(**{column: events[column].where(events.index >= N - 20)})
    data = table(empty, tmp_path, "data.missing=impute_median", "data.split_seed=null")
    with pytest.raises(UserError, match=f"column '{column}' is empty in all .* training rows"):
        _ = data.sets


def test_categories_are_known_again_in_rows_of_another_type() -> None:
    frame = pd.DataFrame({"dose": [0.5, 1.0, 1.5, 1.0], "on": [True, False, True, True]})
    columns = genlab.columns(frame, categories=["dose", "on"])
    assert columns.read(frame[3:]).tolist() == [[1.0, 1.0]]
    assert columns.read(np.array([[1.5, 0.0], [1.0, 1.0]])).tolist() == [[2.0, 0.0], [1.0, 1.0]]
    with pytest.raises(UserError, match=r"'dose', row 1: got 2; choose from: 0.5, 1.0, 1.5"):
        columns.read(frame.assign(dose=2.0))


def test_two_columns_of_one_name_are_not_taken_for_each_other() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 7.0]})
    columns = genlab.columns(frame, log=["a"])
    twins = pd.concat([frame["a"], frame], axis=1)
    for take in (columns.read, genlab.columns):
        with pytest.raises(UserError, match="x: several columns are called 'a'"):
            take(twins)
    other = frame.assign(c=0.0)[["c", "c", "b", "a"]]
    assert columns.read(other).tolist() == frame.to_numpy().tolist()


def test_a_column_called_x_is_none_of_rows(tmp_path: Path) -> None:
    columns = {"x": np.array([1.5, 2.5]), "kind": np.array(["a", "b"])}
    write_columns(tmp_path / "new.npz", columns)
    file = TableFile(tmp_path / "new.npz", "-i", expected=("x", "kind"))
    table = file.read(("kind", "x"), by_level=("kind",))
    assert table.values.tolist() == [[0.0, 1.5], [1.0, 2.5]]


@pytest.mark.parametrize("name", ["t.csv", "t.npz", "t.parquet"])
def test_text_is_read_by_its_words_at_once(name: str, tmp_path: Path) -> None:
    columns = {"kind": ["b", "a", "b", "c"], "t": [0.5, 1.5, 2.5, 3.5]}
    frame = pd.DataFrame(columns)
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
        frame.to_parquet(tmp_path / name)
    elif name.endswith(".npz"):
        np.savez(tmp_path / name, **{key: np.array(column) for key, column in columns.items()})
    else:
        frame.to_csv(tmp_path / name, index=False, decimal=",", sep=";")
    table = TableFile(tmp_path / name, "-i").read(("t", "kind"), by_level=None)
    assert table.values.T.tolist() == [columns["t"], [1, 0, 1, 2]]
    assert (table.text, table.levels) == ({}, {"kind": ["a", "b", "c"]})
