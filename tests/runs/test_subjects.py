"""What numbers are about: the best is marked within one set of test rows, and files have names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from synthetic import synthetic_run

from genlab.runs.comparison.formats import as_csv, as_latex, as_markdown, as_text
from genlab.runs.comparison.groups import differing, grouped
from genlab.runs.comparison.page import page
from genlab.runs.comparison.records import Record, matching, read_records
from genlab.runs.comparison.subjects import subject_of
from genlab.runs.comparison.tables import Table, listing, pivot
from genlab.runs.files import read_json, write_json

ONE, TWO = "1a2b3c4d5e6f7a8b", "90aabbccddeeff00"


def made(
    path: Path, data: str, metrics: Mapping[str, float], keys: Mapping[str, Any], **files: str
) -> None:
    """A run with further keys of its flat configuration, and the checksums of its files."""
    run = synthetic_run(path, model=path.name.partition("-")[0], data=data, metrics=metrics)
    manifest = read_json(run.manifest)
    manifest["config"] |= keys
    manifest["config_hash"] = str(path)
    write_json(run.manifest, manifest | ({"files": files} if files else {}))


def table_run(path: Path, file: str, nll: float, **data: Any) -> None:
    """A run on a table; ``data`` are further keys of its section."""
    section = {"path": file, "checksums": [ONE], "split_seed": 0, "test_fraction": 0.1} | data
    keys = {f"data.{key}": value for key, value in section.items()}
    made(path, "table", {"test/nll": nll}, keys)


def compared(folder: Path, tag: str = "test/nll") -> tuple[Table, list[Record]]:
    records, unreadable = read_records([folder])
    assert unreadable == []
    keys = differing(records)
    return listing(grouped(records, keys), keys, [tag]), records


def rows(table: Table) -> list[list[str]]:
    return [line.split() for line in as_text(table).splitlines()[1:]]


def test_two_tables_are_two_sets_of_rows(tmp_path: Path) -> None:
    for name, nll in (("nice", 2.0), ("nsf", 1.0)):
        table_run(tmp_path / f"{name}-a", "/x/mine.csv", nll)
        table_run(tmp_path / f"{name}-b", "/x/yours.csv", nll / 100, checksums=[TWO])
    table, records = compared(tmp_path)
    assert table.header == ("model", "data", "runs", "test/nll")
    assert rows(table) == [
        ["nice", "table:mine.csv", "1", "2"],
        ["nice", "table:yours.csv", "1", "0.02"],
        ["nsf", "table:mine.csv", "1", "1*"],
        ["nsf", "table:yours.csv", "1", "0.01*"],
    ]
    assert as_csv(table).splitlines()[1] == "nice,table:mine.csv,1,2.0"
    assert r"nsf & table:mine.csv & 1 & $\mathbf{1}$" in as_latex(table)
    groups = grouped(records, ["model", "data"])
    assert '["nsf","table:mine.csv","1",["1",1.0,true]]' in page(table, groups, [])
    crossed = pivot(groups, ["model", "data"], rows=["model"], columns=["data"], tag="test/nll")
    assert as_markdown(crossed).splitlines() == [
        "| model | table:mine.csv | table:yours.csv |",
        "|---|---:|---:|",
        "| nice | 2 | 0.02 |",
        "| nsf | **1** | **0.01** |",
    ]
    assert len(matching(records, "data=table")) == 4
    assert len(matching(records, "data=table:mine.csv")) == 2


@pytest.mark.parametrize("solve", [False, True])
def test_two_files_of_a_user(tmp_path: Path, solve: bool) -> None:
    """Targets or problems: in two folders, edited, copied, and of a version that noted nothing."""
    tag = "test/relative_l2" if solve else "test/nll"
    for number, (place, checksum) in enumerate(
        [
            ("/a/mine.py", ONE),
            ("/b/mine.py", TWO),
            ("/c/other.py", "00"),
            ("/c/other.py", "11"),
            ("/elsewhere/copy.py", ONE),
            ("/c/other.py", None),
        ]
    ):
        key = "problem.file" if solve else "data.file"
        files = {} if checksum is None else {key: checksum}
        made(tmp_path / f"nice-{number}", "custom", {tag: float(number)}, {key: place}, **files)
    table, records = compared(tmp_path, tag)
    assert [record.settings["data"] for record in sorted(records, key=lambda r: r.run.path)] == [
        "custom:a/mine.py",
        "custom:b/mine.py",
        "custom:other.py@00",
        "custom:other.py@11",
        "custom:a/mine.py",
        "custom:other.py",
    ]
    # Of the two copies of one file.
    assert as_text(table).count("*") == 1


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"split_seed": 1}, False),
        ({"test_fraction": 0.2}, False),
        ({"columns": ["x"]}, False),
        ({"condition": ["x"]}, False),
        ({"dequantise": ["x"]}, False),
        ({"checksums": [TWO]}, False),
        ({"something": "new"}, False),
        ({"missing": "impute_median"}, False),
        ({"missing": "drop"}, True),
        ({"path": "/copied/there.csv"}, True),
        ({"train_size": 100}, True),
        ({"batch_size": 7, "standardise": False}, True),
        ({"val_fraction": 0.2}, True),
        ({"val_path": "/x/v.csv", "checksums": [ONE, TWO]}, True),
    ],
)
def test_what_decides_the_rows_of_a_table(
    tmp_path: Path, other: dict[str, Any], same: bool
) -> None:
    table_run(tmp_path / "nice-a", "/x/mine.csv", 2.0)
    table_run(tmp_path / "nsf-b", other.pop("path", "/x/mine.csv"), 1.0, **other)
    assert ("*" in as_text(compared(tmp_path)[0])) == same


def test_a_run_of_an_older_version_lacks_keys_that_are_not_set(tmp_path: Path) -> None:
    table_run(tmp_path / "nice", "/x/mine.csv", 2.0)
    table_run(tmp_path / "nsf", "/x/mine.csv", 1.0, header=None, index=[])
    table, _ = compared(tmp_path)
    assert [row[-1] for row in rows(table)] == ["2", "1*"]


def test_rows_of_a_file_of_their_own(tmp_path: Path) -> None:
    """What is learned from differs, what is tested on does not."""
    own = {"test_path": "/x/test.csv", "weight": None}
    table_run(tmp_path / "nice-a", "/x/one.csv", 2.0, checksums=[ONE, TWO], **own)
    table_run(tmp_path / "nsf-b", "/x/two.csv", 1.0, checksums=["33", TWO], split_seed=3, **own)
    table, _ = compared(tmp_path)
    assert [row[1] for row in rows(table)] == ["table:test.csv"] * 2
    assert as_text(table).count("*") == 1
    weighed = {"test_path": "/x/test.csv", "weight": "w"}
    table_run(tmp_path / "w" / "nice-a", "/x/one.csv", 2.0, checksums=[ONE, TWO], **weighed)
    table_run(tmp_path / "w" / "nsf-b", "/x/two.csv", 1.0, checksums=["33", TWO], **weighed)
    assert "*" not in as_text(compared(tmp_path / "w")[0])


def test_validation_is_compared_on_its_own_rows(tmp_path: Path) -> None:
    for model, size in (("nice", 100), ("nsf", 200)):
        metrics = {"val/loss": 1.0 + size, "test/kl": 1.0 + size}
        made(tmp_path / model, "moons", metrics, {"data.val_size": size})
    assert "*" in as_text(compared(tmp_path, "test/kl")[0])
    assert "*" not in as_text(compared(tmp_path, "val/loss")[0])


def test_what_decides_the_points_of_a_residual_and_of_a_solve() -> None:
    def subject(data: str, choices: str | None = None, **keys: Any) -> object:
        config = {key.replace("__", "."): value for key, value in keys.items()}
        return subject_of({"data": data, "config": {"choices.data": choices, **config}})

    residual = "pinn_residual"
    one, other = (subject(residual, residual, pinn__hidden=[n]) for n in (8, 16))
    assert one != other
    assert subject("peak", pinn__hidden=[8]) == subject("peak", pinn__hidden=[16])
    assert subject("peak", problem__A=1.0) != subject("peak", problem__A=2.0)
    assert subject("peak", problem__n_points=1) == subject("peak", problem__n_points=2)
    assert subject("digits", data__dequantise="fresh") == subject(
        "digits", data__dequantise="fixed"
    )
