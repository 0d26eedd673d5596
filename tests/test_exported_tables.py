"""Models of tables that left their runs: frames by name, columns in their own types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small import TABLE

import genlab
from genlab.assembly import Exported
from genlab.assembly.export.folder import _points, export


def test_a_table_s_columns_leave_with_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kinds = {"n": rng.integers(0, 5, 200), "kind": rng.choice(["a", "b", "c"], 200)}
    table = pd.DataFrame({"pt": rng.exponential(size=200) + 0.01, "f": rng.uniform(size=200)})
    table = table.assign(c=rng.normal(size=200), **kinds)
    table.to_csv("points.csv", index=False)
    settings = ("data.log=[pt]", "data.bounds={f: [0, 1], n: [0, null]}", "data.integer=[n]")
    words = ("data.categories=[kind]", "data.condition=[c]", *settings, *TABLE)
    run = genlab.experiment(*words)
    run.fit()
    export(run, tmp_path / "out")
    exported = genlab.load(tmp_path / "out")
    assert isinstance(exported, Exported)
    rows, columns = table.iloc[:20, ::-1], exported.transforms
    found = genlab.score(exported.model, rows, columns=columns)
    np.testing.assert_array_equal(found, run.log_prob(rows))
    assert columns is not None
    drawn = columns.frame(exported.model.sample(9, torch.zeros(1)))
    assert drawn.dtypes.to_dict()["n"] == np.int64
    assert set(drawn["kind"]) <= {"a", "b", "c"}


def test_a_frame_s_columns_are_taken_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 3)), columns=["a", "b", "c"])
    table.to_csv("points.csv", index=False)
    run = genlab.experiment("data.condition=[c]", *TABLE)
    run.fit()
    export(run, tmp_path / "out")
    model = genlab.load(tmp_path / "out").model
    mixed = table[["c", "b", "a"]]
    np.testing.assert_array_equal(genlab.score(model, mixed), run.log_prob(table))
    # Without a test set there are samples, under conditions that data have.
    monkeypatch.setattr(type(run.data), "test", None)
    points = _points(run)
    assert points.context is not None
    assert points.context.shape == (len(points.x), 1)
