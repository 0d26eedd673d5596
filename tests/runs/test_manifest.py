"""``run.json`` says what was run; another format is refused with both versions."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest

import genlab
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.manifest import git_commit, is_configured, read_manifest, update_config
from genlab.runs.settings import config_hash, flatten

MakeRun = Callable[[Path], RunDirectory]


def test_what_it_says(tmp_path: Path, make_run: MakeRun) -> None:
    manifest = read_manifest(make_run(tmp_path / "run"))
    assert manifest["format"] == 1
    assert manifest["genlab"] == genlab.__version__
    assert (manifest["model"], manifest["data"]) == ("realnvp", "moons")
    assert manifest["likelihood"] == "exact"
    assert manifest["threads"] == 1
    assert manifest["config"]["model.hidden"] == [64, 64]
    assert manifest["packages"]["torch"] == metadata.version("torch")
    age = datetime.now(UTC) - datetime.fromisoformat(manifest["created"])
    assert timedelta(0) <= age < timedelta(minutes=1)


@pytest.mark.parametrize("other", [{"format": 2, "genlab": "9.0"}, {"genlab": "9.0"}])
def test_another_format_names_both_versions(
    tmp_path: Path, make_run: MakeRun, other: dict[str, object]
) -> None:
    run = make_run(tmp_path / "run")
    write_json(run.manifest, other)
    with pytest.raises(UserError) as caught:
        read_manifest(run)
    assert "genlab 9.0" in str(caught.value)
    assert f"genlab {genlab.__version__}, which reads format 1" in str(caught.value)


def test_flat_keys() -> None:
    nested = {"a": {"b": {"c": 1}, "d": [{"e": 2}]}, "f": {}, "g": None}
    assert flatten(nested) == {"a.b.c": 1, "a.d": [{"e": 2}], "f": {}, "g": None}


def test_the_hash_counts_what_is_computed_and_not_where_it_is_kept() -> None:
    config = {"model": {"layers": 8}, "outputs": "a", "logger": {"flush_secs": 10}}
    same = {"logger": None, "outputs": "b", "model": {"layers": 8}}
    other = {**config, "model": {"layers": 9}}
    assert config_hash(config) == config_hash(same)
    assert config_hash(config) != config_hash(other)


def test_a_run_taken_further_has_another_configuration_and_the_same_origin(
    tmp_path: Path, make_run: MakeRun
) -> None:
    run = make_run(tmp_path / "run")
    before = read_json(run.manifest)
    update_config(run, {"trainer": {"max_steps": 200}})
    after = read_manifest(run)
    assert after["config"] == {"trainer.max_steps": 200}
    assert after["config_hash"] != before["config_hash"]
    assert after["created"] == before["created"]


@pytest.mark.parametrize("noted", [True, False])
def test_files_stay_noted_as_they_were_when_a_run_began(
    tmp_path: Path, make_run: MakeRun, noted: bool
) -> None:
    """Also where an older version has noted none."""
    run = make_run(tmp_path / "run")
    files = {"files": {"data.file": "of then"}} if noted else {}
    config = {"data": {"file": str(tmp_path / "target.py")}, "trainer": {"max_steps": 200}}
    manifest = {key: value for key, value in read_json(run.manifest).items() if key != "files"}
    write_json(run.manifest, manifest | files)
    (tmp_path / "target.py").write_text("now")
    assert not is_configured(run, config)
    update_config(run, config)
    after = read_manifest(run)
    assert after["config"]["trainer.max_steps"] == 200
    assert after.get("files") == files.get("files")
    assert is_configured(run, config)
    assert after["config_hash"] != config_hash(config)


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None

    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", *identity, *words]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "--quiet")
    assert git_commit(tmp_path) is None
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "--quiet", "--no-verify", "--message", "one")
    git("tag", "v1")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("two")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"
