"""Each run gets a directory of its own, also when many start in the same instant."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from genlab.errors import UserError
from genlab.runs.directory import RunDirectory, claim


def test_a_run_in_a_folder_of_any_name_can_be_typed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "it's mine")
    assert shlex.split(f"genlab resume {run.typed}")[2:] == [str(run.path)]
    message = str(run.taken())
    assert shlex.split(message.split("`")[1])[2:] == [str(run.path)]


def test_the_layout_that_other_programs_rely_on(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    names = {
        run.config: "config.yaml",
        run.manifest: "run.json",
        run.status: "status.json",
        run.metrics: "metrics.json",
        run.best: "checkpoints/best.ckpt",
        run.last: "checkpoints/last.ckpt",
        run.tensorboard: "tensorboard",
        run.figures: "figures",
        run.log: "run.log",
    }
    assert {str(path.relative_to(run.path)) for path in names} == set(names.values())
    assert run.checkpoints.is_dir()
    assert run.figures.is_dir()


def test_names_that_are_taken_get_a_number(tmp_path: Path) -> None:
    made = [claim(tmp_path / "outputs", "moons") for _ in range(3)]
    assert [path.name for path in made] == ["moons", "moons-2", "moons-3"]
    assert all(path.is_dir() for path in made)


def test_threads_that_claim_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: claim(tmp_path / "day", "run"), range(64)))
    assert len(set(made)) == 64
    assert sorted(path.name for path in (tmp_path / "day").iterdir()) == sorted(
        path.name for path in made
    )


CLAIMS = """
import sys, time
from pathlib import Path
from genlab.runs.directory import claim
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
print("\\n".join(str(claim(Path(sys.argv[1]) / "day", "run")) for _ in range(25)))
"""


def test_processes_that_claim_at_once(tmp_path: Path) -> None:
    import time

    start = str(time.time() + 1.0)
    command = [sys.executable, "-c", CLAIMS, str(tmp_path), start]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    made = [path for process in processes for path in process.communicate()[0].split()]
    assert len(made) == 150
    assert len(set(made)) == 150
    assert {path.name for path in (tmp_path / "day").iterdir()} == {
        Path(path).name for path in made
    }


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file where the folder should be")
    for make in (
        lambda: claim(tmp_path / "outputs", "run"),
        lambda: claim(tmp_path / "outputs" / "day", "run"),
        lambda: RunDirectory.create(tmp_path / "outputs" / "run"),
    ):
        with pytest.raises(UserError, match=r"cannot be written .*; choose another.*outputs=DIR"):
            make()


def test_a_directory_that_holds_a_run_is_not_taken_again(
    tmp_path: Path, make_run: Callable[[Path], RunDirectory]
) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(UserError, match=f"holds a run already; .*genlab resume {run.path}"):
        RunDirectory.create(run.path)


def test_opening(tmp_path: Path, make_run: Callable[[Path], RunDirectory]) -> None:
    run = make_run(tmp_path / "run")
    assert RunDirectory.open(str(run.path)) == run
    with pytest.raises(UserError, match="no such directory"):
        RunDirectory.open(tmp_path / "ran")
    with pytest.raises(UserError, match=r"not a run directory \(run.json is missing\)"):
        RunDirectory.open(tmp_path)
