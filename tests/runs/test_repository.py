"""The user's repository in the record of a run: its commit, and what it held beyond."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from genlab.runs import repository
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.repository import repository_of

MakeRun = Callable[[Path], RunDirectory]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit of a text and of bytes, and the working folder below it."""
    folder = tmp_path / "mine"
    (folder / "below").mkdir(parents=True)
    (folder / "model.py").write_text("layers = 1\n")
    (folder / "data.bin").write_bytes(bytes(range(256)))
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "--no-verify", "-m", "one"]):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    monkeypatch.chdir(folder / "below")
    return folder


def test_what_is_not_committed_is_kept_as_a_patch(
    checkout: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    clean = make_run(tmp_path / "clean")
    assert read_json(clean.manifest)["repository"]["changes"] == "none"
    assert not clean.changes.exists()
    (checkout / "model.py").write_text("layers = 2\n")
    (checkout / "data.bin").write_bytes(bytes(range(255, -1, -1)))
    run = make_run(tmp_path / "run")
    found = read_json(run.manifest)["repository"]
    assert Path(found["root"]).samefile(checkout)
    assert (len(found["commit"]), found["changes"]) == (40, "kept")
    patch = run.changes.read_text()
    assert "-layers = 1\n+layers = 2\n" in patch
    assert "Binary files a/data.bin and b/data.bin differ" in patch
    assert run.changes.stat().st_size < 500
    _apply(run, checkout)
    assert (checkout / "model.py").read_text() == "layers = 2\n"


def test_a_patch_applies_whatever_git_is_told_of_differences(
    checkout: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    told = {"diff.noprefix": "true", "diff.context": "0", "color.ui": "always"}
    for key, value in told.items():
        subprocess.run(["git", "config", key, value], cwd=checkout, check=True)
    (checkout / "model.py").write_text("layers = 3\n")
    run = make_run(tmp_path / "run")
    for key in told:
        subprocess.run(["git", "config", "--unset", key], cwd=checkout, check=True)
    _apply(run, checkout)
    assert (checkout / "model.py").read_text() == "layers = 3\n"


def _apply(run: RunDirectory, checkout: Path) -> None:
    """As the guide has it, to the commit."""
    subprocess.run(["git", "checkout", "-q", "."], cwd=checkout, check=True)
    subprocess.run(["git", "apply", run.changes], cwd=checkout, check=True)


def test_a_patch_that_is_too_large_is_left_out(
    checkout: Path, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "LARGEST", 1000)
    (checkout / "model.py").write_text("layers = 2\n" * 100_000)
    run = make_run(tmp_path / "run")
    assert read_json(run.manifest)["repository"]["changes"] == "too many to keep"
    assert not run.changes.exists()


def test_without_a_repository_a_commit_or_git(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repository_of(tmp_path) is None
    subprocess.run(["git", "init", "-q", tmp_path / "new"], check=True)
    assert repository_of(tmp_path / "new") is None
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert repository_of(checkout) is None
