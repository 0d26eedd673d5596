"""Tables: what is read, refused and remarked on, and what a run knows of its columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from genlab.cli.point_files import read_rows
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.stored import plain
from genlab.data import TableData, TableFile
from genlab.data.roles import find_columns
from genlab.data.table_checks import discrete_columns, grid_width, numbers_rows
from genlab.errors import UserError

RNG = np.random.default_rng(0)
KEYS = dict.fromkeys(("names", "columns", "weight", "val_path", "test_path", "train_size"))
DEFAULTS: dict[str, Any] = {
    **KEYS,
    "drop": [],
    "condition": [],
    "missing": "error",
    "dequantise": [],
    "val_fraction": 0.1,
    "test_fraction": 0.2,
    "split_seed": 0,
    "batch_size": 16,
    "standardise": True,
    "precision": "32-true",
    "seed": 0,
}


def table(path: Path, **keys: Any) -> TableData:
    node = {**DEFAULTS, "path": str(path), **keys}
    return TableData(**{**node, **TableData.facts(**node)})


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(RNG.normal(size=(200, 4)), columns=["a", "b", "c d", "w"]).abs()


@pytest.fixture
def path(tmp_path: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_columns_get_their_roles_by_name_or_number(path: Path, frame: pd.DataFrame) -> None:
    data = table(path, condition=["c d", 1], weight=3, split_seed=None)
    assert (data.columns, data.context_columns) == (("a",), ("c d", "b"))
    assert (data.event_shape, data.names) == ((1,), ("a", "b", "c d", "w"))
    batch = data.training_set
    rows = torch.tensor(frame.to_numpy()).float()[:140]
    assert batch.context is not None
    assert batch.weight is not None
    torch.testing.assert_close(batch.x, rows[:, :1])
    torch.testing.assert_close(batch.context, rows[:, [2, 1]])
    torch.testing.assert_close(batch.weight, rows[:, 3] / rows[:, 3].mean())
    assert table(path, columns=["b", 0], drop=["w", 2]).columns == ("b", "a")


def test_a_table_says_what_is_learned_of_it(path: Path) -> None:
    shown = repr(table(path, columns=["b"], condition=["a"], batch_size=8))
    assert shown == "TableData(event_shape=[1], batch_size=8, columns=[b], condition=[a])"


def test_distances_are_in_deviations_of_the_training_rows(path: Path) -> None:
    data = table(path, columns=["a", "b"], weight="w")
    x, _, weight = (None if part is None else part.double().numpy() for part in data.training_set)
    assert x is not None
    mean = np.average(x, axis=0, weights=weight)
    expected = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(data.scale.numpy(), expected, rtol=1e-9)
    plain = table(path, columns=["a", "b"], standardise=False)
    np.testing.assert_allclose(plain.scale, plain.training_set.x.double().std(0, correction=0))


def test_the_run_is_told_how_many_rows_weights_leave(path: Path, frame: pd.DataFrame) -> None:
    def told(weight: np.ndarray) -> str:
        frame.assign(w=weight).to_csv(path, index=False)
        data = table(path, weight="w", split_seed=None)
        assert len(data.training_set.x) == 140
        return data.remarks[1]

    assert told(np.full(200, 2.0)).endswith("tell as much as 140 of equal weight")
    assert told(np.full(200, 1e-200)).endswith("tell as much as 140 of equal weight")
    # Seven of 100 beside 133 of 1: 833^2 / 70,133.
    heavy = told(np.where(np.arange(200) % 20 == 0, 100.0, 1.0))
    assert "140 rows to learn from tell as much as 10 of equal weight; trust `val/nll`" in heavy


def test_a_column_without_width_where_rows_count_has_its_own_unit(
    path: Path, frame: pd.DataFrame
) -> None:
    frame["w"] = (frame["a"] > 0.5).astype(float)
    frame["b"] = np.where(frame["w"] == 0, frame["b"], 0.1)
    frame.to_csv(path, index=False)
    data = table(path, columns=["a", "b"], weight="w")
    assert data.scale[1] == 1
    assert 0 < data.scale[0] < 1


def test_weights_are_checked_in_every_part(path: Path, frame: pd.DataFrame) -> None:
    other = path.with_name("other.csv")
    frame.assign(w=-frame["w"]).to_csv(other, index=False)
    told = r"weight=w: 200 of 200 weights are negative, .*\n.*, or leave them out: .*\['w'\]"
    with pytest.raises(UserError, match=told):
        _ = table(path, weight="w", test_path=str(other)).training_set
    frame.assign(w=0.0).to_csv(other, index=False)
    with pytest.raises(UserError, match=r"=w: expected some .* got none in 200 rows to validate"):
        _ = table(path, weight="w", val_path=str(other)).training_set
    # The logarithms sum to more than 0, as weights of which some are negative may.
    frame.assign(log_w=np.log(20 * frame["w"])).to_csv(other, index=False)
    told = r"weight=log_w: got logarithms, down to -.*; expected weights, a column of exp\(log_w\)"
    with pytest.raises(UserError, match=told):
        _ = table(other, weight="log_w").training_set
    # A Monte Carlo at next-to-leading order; without its weights it is a table like any other.
    frame.assign(w=np.where(frame["a"] > 0.5, -1.0, 1.0)).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"`weight=None` `drop=\['w'\]`"):
        _ = table(path, weight="w").training_set
    assert table(path, weight=None, drop=["w"]).training_set.weight is None


def test_a_condition_of_truth_values_is_1_or_0(path: Path, frame: pd.DataFrame) -> None:
    frame.assign(w=frame["a"] > frame["a"].median()).to_csv(path, index=False)
    given = table(path, condition=["w"], split_seed=None).training_set.context
    assert given is not None
    assert given[:, 0].tolist() == (frame["a"] > frame["a"].median()).astype(float).tolist()[:140]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": "a"}, r"columns=a: expected a list; write `columns=\['a'\]`"),
        ({"columns": ["aa"]}, "columns: no column 'aa'; did you mean 'a'"),
        ({"drop": [4]}, "drop: no column 4; expected a name, or 0 to 3"),
        ({"drop": ["a"], "columns": [0]}, "drop: 'a' is in `columns` already"),
        ({"drop": [0, 1, 2, 3]}, "none is left to learn"),
        ({"names": list("xyzw")}, "the file names its columns itself"),
        ({"train_size": 141}, "train_size=141: there are 140 rows"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "nothing is left to learn from"),
        ({"dequantise": ["b"]}, "the values of 'b' lie on no grid"),
    ],
)
def test_mistakes(path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _ = table(path, **keys).training_set


def test_the_split_is_the_seeds_and_loses_no_row(path: Path, frame: pd.DataFrame) -> None:
    data, again, other = table(path), table(path, seed=5), table(path, split_seed=1)
    assert data.test is not None
    assert again.test is not None
    parts = [data.training_set.x, data.validation.x, data.test.x]
    assert [len(part) for part in parts] == [140, 20, 40]
    everything = torch.cat(parts).double().numpy()
    np.testing.assert_allclose(np.sort(everything, 0), np.sort(frame.to_numpy(), 0), rtol=1e-6)
    assert torch.equal(data.test.x, again.test.x)
    assert not torch.equal(data.training_set.x, other.training_set.x)
    files = table(path, val_path=str(path), test_path=str(path), train_size=50)
    assert files.test is not None
    assert [len(part.x) for part in (files.training_set, files.validation, files.test)] == [
        50,
        200,
        200,
    ]


def test_text_constants_and_empty_columns_are_told_at_once(path: Path, frame: pd.DataFrame) -> None:
    frame.assign(run=range(200), city="Rome", unit=7.5, gap=np.nan).to_csv(path, index=False)
    with pytest.raises(UserError) as caught:
        _ = table(path, drop=["w"]).training_set
    assert str(caught.value) == (
        f"path={path}: column 'city' holds text ('Rome'); column 'unit' is constant (7.5); "
        "column 'gap' is empty; column 'run' numbers the rows\nTo leave out: `drop=['w', 'city', "
        "'unit', 'gap', 'run']`"
    )
    data = table(path, drop=["city", "unit", "gap", "run"])
    assert len(data.training_set.x) == 140
    kinds = {
        "day": [f"day {n}" for n in range(200)],
        "kind": np.where(np.arange(200) % 2, "u", "v"),
    }
    frame.assign(**kinds).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"as categories: `categories=\['kind'\]`$"):
        _ = table(path).training_set


def test_rows_to_test_on_and_weights_may_be_all_alike(path: Path, frame: pd.DataFrame) -> None:
    frame.assign(w=2.0).to_csv(path, index=False)
    frame.assign(w=2.0, a=1.0)[:30].to_csv(path.with_name("test.csv"), index=False)
    data = table(path, weight="w", condition=["a"], test_path=str(path.with_name("test.csv")))
    assert data.test is not None
    assert (data.test.context == 1).all()
    assert data.training_set.weight is not None
    assert (data.training_set.weight == 1).all()
    frame[:1].to_csv(path, index=False)
    with pytest.raises(UserError, match="one row to learn from; expected two or more"):
        _ = table(path).training_set


def test_dependent_and_coarse_columns_are_refused(path: Path, frame: pd.DataFrame) -> None:
    frame.assign(w=2 * frame["a"] - frame["b"] + 1).to_csv(path, index=False)
    with pytest.raises(UserError, match="columns a, b, w determine each other linearly"):
        _ = table(path).training_set
    frame.assign(w=frame["w"] + 1e7).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"'w' varies by .* steps of 1; use `precision='64"):
        _ = table(path).training_set
    x = table(path, precision="64-true", split_seed=None).training_set.x[:, 3]
    np.testing.assert_allclose(x.numpy() - 1e7, frame["w"][:140], atol=1e-8)


def test_missing_cells_are_refused_or_left_out(path: Path, frame: pd.DataFrame) -> None:
    frame.iloc[3, 0] = frame.iloc[7, 0] = frame.iloc[7, 2] = np.nan
    frame.to_csv(path, index=False)
    message = r"2 of 200 rows lack a number \('a' 2, 'c d' 1; the first is row 4\); `missing='dr"
    with pytest.raises(UserError, match=message):
        _ = table(path).training_set
    data = table(path, missing="drop")
    assert "198" not in data.remarks[0]
    assert data.remarks[1].endswith(
        "2 of 200 rows lack a number ('a' 2, 'c d' 1), and are left out"
    )
    assert len(table(path, drop=[0, 2]).training_set.x) == 140


def test_discrete_columns_are_named_and_dequantised(path: Path, frame: pd.DataFrame) -> None:
    kids = RNG.integers(0, 5, 200) * 0.25
    zeros = np.where(RNG.random(200) < 0.1, 0, frame["b"])
    frame.assign(a=kids, b=zeros).to_csv(path, index=False)
    data = table(path)
    assert "values repeat in a (5 values), b (0 in " in data.remarks[1]
    # Noise fills a grid, which the values of b are not on.
    assert data.remarks[1].endswith(
        "; `dequantise=['a']` adds noise; `condition=['a', 'b']` takes them as given"
    )
    with pytest.raises(UserError, match=r"'b' lie on no grid .*; `condition=\['b'\]` takes"):
        _ = table(path, dequantise=["b"]).training_set
    noisy = table(path, dequantise=["a"], split_seed=None)
    noise = noisy.training_set.x[:, 0].numpy() - kids[:140]
    assert 0 <= noise.min() < 0.01
    assert 0.24 < noise.max() < 0.25
    # log p of a value is log p of its cell, minus log of the cell's width.
    assert noisy.remarks[-1].endswith(f"at most {-np.log(0.25):+.4f}")
    again = table(path, dequantise=["a"], split_seed=None, seed=3)
    assert torch.equal(again.training_set.x, noisy.training_set.x)


def test_grids_and_repeats() -> None:
    assert grid_width(np.array([0.1, 0.2, 0.5, 0.3])) == pytest.approx(0.1)
    assert grid_width(np.array([0.0, 1.0, 1.3])) is None
    assert discrete_columns(RNG.normal(size=(1000, 2))) == {}


def csv(path: Path, frame: pd.DataFrame, **options: Any) -> None:
    frame.to_csv(path, index=False, **options)


def npz(path: Path, frame: pd.DataFrame) -> None:
    np.savez(path, x=frame.to_numpy(), other=np.zeros(3))


def parquet(path: Path, frame: pd.DataFrame) -> None:
    pytest.importorskip("pyarrow")
    frame.to_parquet(path)


WRITERS: dict[str, Callable[[Path, pd.DataFrame], None]] = {
    "a.csv": csv,
    "b.csv": lambda path, frame: csv(path, frame, sep=";"),
    "c.tsv": lambda path, frame: csv(path, frame, sep="\t", encoding="utf-8-sig"),
    "d.csv": lambda path, frame: csv(path, frame, header=False),
    "e.npy": lambda path, frame: np.save(path, frame.to_numpy()),
    "f.npz": npz,
    "g.parquet": parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_every_digit(tmp_path: Path, name: str, frame: pd.DataFrame) -> None:
    WRITERS[name](tmp_path / name, frame)
    file = TableFile(tmp_path / name, "data.path")
    named = file.header is not None
    assert file.names == (tuple(frame) if named else ("x1", "x2", "x3", "x4"))
    columns = file.read(["c d", "a"], tuple(frame))
    np.testing.assert_array_equal(columns.values, frame[["c d", "a"]])


def read_all(path: Path) -> None:
    file = TableFile(path, "data.path")
    file.read(file.names, file.names)


def test_files_that_are_no_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "text.npy", np.array(["a"]))
    texts = {
        "mixed.csv": "a,1\n2,3\n",
        "twins.csv": "a,a\n2,3\n",
        "long.csv": "a,b\n1,2\n1,2,3\n",
        "empty.csv": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "t.parquet").touch()
    monkeypatch.setattr("genlab.data.table_file.find_spec", lambda name: None)
    messages = {
        "mixed.csv": r"line 1 \(a, 1\) may be names or a row; `header=True` reads",
        "twins.csv": "several columns are called 'a'",
        "long.csv": "line 3 has 3 cells, but line 1 has 2 names",
        "empty.csv": "holds no rows",
        "text.npy": "expected rows of numbers, got <U1",
        "t.xlsx": "expected a file that ends in .csv",
        "gone.csv": "no such file",
        "t.parquet": "Parquet takes the package pyarrow; pip install pyarrow",
    }
    for name, message in messages.items():
        with pytest.raises(UserError, match=message):
            read_all(tmp_path / name)


def test_a_run_is_composed_from_the_header_and_read_without_the_table(path: Path) -> None:
    words = ["data=table", f"data.path={path}", "data.condition=[c d]", "model=gmm"]
    config = compose("train", words)
    check(config)
    assert plain(config)["model"]["event_shape"] == [3]
    assert (config.model.context_dim, config.data.batch_size) == (1, 100_000)
    path.write_text(path.read_text() + "1,2,3,4\n")
    node = {key: value for key, value in plain(config)["data"].items() if key != "_target_"}
    with pytest.raises(UserError, match="has changed since the run was made"):
        _ = TableData(**node).training_set
    path.unlink()
    data = TableData(**node)
    assert (data.columns, data.context_columns) == (("a", "b", "w"), ("c d",))
    with pytest.raises(UserError, match=r"^path=.*: no such file"):
        _ = data.test


def test_a_run_keeps_the_index_and_how_its_table_was_read(path: Path, frame: pd.DataFrame) -> None:
    # A path that may start at the line of its numbers, as its steps do.
    rows = np.column_stack([np.arange(1, 31) * 0.25, np.sin(np.arange(1, 31)).round(3)])
    np.savetxt(path, np.vstack([[0, 1], rows]), "%g", ",")
    words = ["data=table", f"data.path={path}", "model=gmm"]
    with pytest.raises(UserError, match=r"line 1 \(0, 1\) may be names or a row"):
        compose("train", words)
    config = compose("train", [*words, "data.header=false"])
    check(config)
    node = {key: value for key, value in plain(config)["data"].items() if key != "_target_"}
    assert (node["names"], node["index"]) == (["x1", "x2"], [])
    frame.to_csv(path)
    config = compose("train", [*words, "data.drop=[w]"])
    check(config)
    assert (config.data.index, config.data.event_shape) == (["unnamed0"], [3])
    node = {key: value for key, value in plain(config)["data"].items() if key != "_target_"}
    data = TableData(**node)
    assert data.columns == ("a", "b", "c d")
    assert data.sets.train.x.shape[1] == 3
    advice = data.remarks[1].removesuffix(" learns it")
    assert advice.endswith(
        "unnamed0: the table's index, left out; `columns=['unnamed0', 'a', 'b', 'c d']`"
    )
    learned = table(path, columns=["unnamed0", "a", "b", "c d"])
    assert (learned.columns[0], learned.index) == ("unnamed0", ())


def test_a_name_comes_before_a_number() -> None:
    assert find_columns("drop", [2, 0], ["1", "2", "3"]) == ("2", "1")


def test_rows_are_numbered_by_counts_and_by_columns_called_so() -> None:
    count = np.arange(1, 41.0)
    values = np.column_stack([count, count + 5, count[::-1], count / 2, count % 7])
    assert numbers_rows(("a", "b", "id", "index", "row"), values) == ["a", "id"]


def test_a_file_without_names_is_in_the_order_of_its_table(path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(path, index=False, header=False)
    data = table(path, condition=["x1"], drop=["x3"])
    np.testing.assert_array_equal(read_rows(path, data).x, frame[["b", "w", "a"]])
    data = table(path, condition=["x1"])
    np.testing.assert_array_equal(read_rows(path, data).x, frame[["b", "c d", "w", "a"]])
    # Rows of another file are in the order of samples.
    np.save(path.with_name("new.npy"), frame.to_numpy() + 1)
    np.testing.assert_array_equal(read_rows(path.with_name("new.npy"), data).x, frame + 1)
