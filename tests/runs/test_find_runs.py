"""What a user calls a run is found, or the nearest named."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.find import find_runs, latest, resolve

MakeRun = Callable[[Path], RunDirectory]


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("outputs")


def test_every_run_is_found_and_nothing_inside_one(outputs: Path, make_run: MakeRun) -> None:
    made = [make_run(outputs / name) for name in ("a", "day/b", "sweep/0", "sweep/1")]
    make_run(outputs / "a" / "inside")
    make_run(outputs / ".hidden")
    (outputs / "empty").mkdir()
    (outputs / "loop").symlink_to(".")
    assert find_runs(outputs) == made
    assert find_runs(outputs / "a") == [made[0]]
    assert find_runs(Path("nowhere")) == []


def test_a_run_that_died_before_its_manifest_is_found(outputs: Path) -> None:
    run = RunDirectory.create(outputs / "early")
    run.status.write_text("{}")
    assert find_runs(outputs) == [run]


def test_the_latest_is_the_one_started_last(outputs: Path, make_run: MakeRun) -> None:
    assert latest(outputs) is None
    for name in ("b", "c", "a"):
        make_run(outputs / name)
    RunDirectory.create(outputs / "torn").manifest.write_text("{")
    assert latest(outputs) == resolve("latest") == RunDirectory(outputs / "a")


def test_by_path_and_by_name(outputs: Path, make_run: MakeRun) -> None:
    run = make_run(outputs / "2025-01-31" / "12-00-00-realnvp-moons")
    for text in (
        str(run.path),
        str(run.path.absolute()),
        "12-00-00-realnvp-moons",
        "2025-01-31/12-00-00-realnvp-moons",
    ):
        assert resolve(text).path.absolute() == run.path.absolute()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("realnvp-mons", "no such run; did you mean 'outputs/day/realnvp-moons'?"),
        ("0", "2 runs have this name, give the path: outputs/one/0, outputs/two/0"),
        ("outputs", r"not a run directory .*; runs below it: 4, the first is outputs/day/"),
        ("lates", "no such run; did you mean 'latest'?"),
        ("qqqq", r"no such run; those below outputs are two/0, one/0, day/realnvp-moons, \.\.\."),
    ],
)
def test_mistakes(outputs: Path, make_run: MakeRun, text: str, message: str) -> None:
    for name in ("day/nice-pinwheel", "day/realnvp-moons", "one/0", "two/0"):
        make_run(outputs / name)
    with pytest.raises(UserError, match=message):
        resolve(text)


@pytest.mark.parametrize("text", ["latest", "moons"])
def test_without_any_run(outputs: Path, text: str) -> None:
    with pytest.raises(UserError, match="no runs below outputs yet"):
        resolve(text)


def test_a_thousand_runs_are_found_within_a_second(outputs: Path) -> None:
    for number in range(1000):
        folder = outputs / f"day-{number % 10}" / f"run-{number}"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "run.json").write_text(f'{{"format": 1, "created": "2025-01-01T{number:06}"}}')
    start = time.perf_counter()
    assert len(find_runs(outputs)) == 1000
    assert latest(outputs) == RunDirectory(outputs / "day-9" / "run-999")
    assert time.perf_counter() - start < 1.0
