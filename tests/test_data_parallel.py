"""Two processes that share the work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import torch
from forks import at_once, in_environment
from small import SMALL, TABLE, small_experiment, write_table

import genlab
from genlab.assembly.helper import helped
from genlab.cli.main import main
from genlab.config.compose import compose
from genlab.config.stored import read_config
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.status import read_status

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]

STEPS = ("trainer.max_steps=20", "trainer.val_every=10")


def test_two_processes_train_like_one_with_the_doubled_batch(tmp_path: Path) -> None:
    words = [*SMALL, *STEPS, "trainer=ddp", "data.batch_size=32", f"outputs={tmp_path / 'two'}"]
    subprocess.run([sys.executable, "-m", "genlab", "train", *words], check=True, timeout=280)
    (path,) = (tmp_path / "two").glob("*/*")
    two = RunDirectory.open(path)
    assert read_status(two)["state"] == "done"
    one = small_experiment(tmp_path / "one", *STEPS, "data.batch_size=64")
    one.fit()
    assert one.directory is not None
    theirs = load_checkpoint(two.last)["state_dict"]
    for name, value in load_checkpoint(one.directory.last)["state_dict"].items():
        torch.testing.assert_close(theirs[name], value, atol=1e-5, rtol=1e-4)


SHARED = (*TABLE, "trainer=ddp")
# What torchrun and srun tell each process that they start.
TORCHRUN = [
    {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank}
    for rank in "01"
]
SRUN = [
    {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NODEID": "0"}
    | {"SLURM_JOB_ID": "77", "SLURM_PROCID": rank, "SLURM_LOCALID": rank}
    for rank in "01"
]


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def command() -> int:
    return main(["train", *SHARED])


def python() -> None:
    experiment = genlab.experiment(*SHARED)
    metrics = experiment.fit()
    assert experiment.directory is not None
    told = "first" if metrics else "second"
    Path(told).write_text(str(experiment.directory.path))


@pytest.mark.parametrize(
    ("processes", "job"), [(SRUN, command), (TORCHRUN, python)], ids=["srun", "torchrun"]
)
def test_two_that_a_cluster_starts_leave_one_record(
    processes: Sequence[Mapping[str, str]],
    job: Callable[[], int | None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    in_environment(monkeypatch, {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()})
    at_once(job, processes)
    (path,) = Path("outputs").glob("*/*")
    run = RunDirectory.open(path)
    assert read_status(run)["state"] == "done"
    assert load_checkpoint(run.best)["step"] in (3, 6)
    if job is python:
        assert Path("first").read_text() == Path("second").read_text() == str(path)
    monkeypatch.setenv("MASTER_PORT", free_port())
    # What is done is done for both; further they go together.
    at_once(lambda: main(["resume", str(path)]), processes)
    assert load_checkpoint(run.last)["step"] == 6
    at_once(lambda: main(["resume", str(path), "trainer.max_steps=9"]), processes)
    assert (read_status(run)["state"], load_checkpoint(run.last)["step"]) == ("done", 9)
    assert list(Path("outputs").glob("*/*")) == [path]


SCRIPT = """
import sys
from pathlib import Path
import genlab
from genlab.cli.main import main

words = sys.argv[1:]
print("begun")
experiment = genlab.experiment(*words)
assert experiment.fit()["val/loss"] is not None
print(experiment.directory.path)
sys.argv[1:] = ["no", "such", "words"]
assert main(["resume", str(experiment.directory.path), "trainer.max_steps=9"]) == 0
assert main(["train", "-m", *words, "seed=3", "hydra.sweep.dir=swept"]) == 0
"""


def test_helpers_read_the_folder_of_the_run_alone(tmp_path: Path) -> None:
    """Those of a user's script, of what goes on, and of a job: the script is not run again."""
    write_table(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "script.py").write_text(SCRIPT)
    command = [sys.executable, "mine/script.py", *SHARED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert shown.count("begun") == 1
    first = shown[1]
    runs = [RunDirectory.open(tmp_path / path) for path in (first, "swept/0")]
    for run, seed, step in zip(runs, (0, 3), (9, 6), strict=True):
        assert read_json(run.manifest)["config"]["seed"] == seed
        assert (read_status(run)["state"], read_status(run)["step"]) == ("done", step)
    made = [str(path.relative_to(tmp_path)) for path in (tmp_path / "outputs").glob("*/*")]
    assert made == [first]


Process = subprocess.Popen


def ended() -> Process:
    """A process that has ended well."""
    process = create_autospec(Process, instance=True)
    process.poll.return_value = 0
    return process


def test_a_helper_is_told_nothing_but_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def start(command: Sequence[str], *, env: Mapping[str, str]) -> Process:
        told.append((command, env))
        return ended()

    in_environment(monkeypatch, {})
    monkeypatch.setattr(subprocess, "Popen", start)
    config = compose("train", ["trainer=ddp", "trainer.devices=3"])
    with helped(RunDirectory(tmp_path), config):
        assert os.environ["LOCAL_RANK"] == "0"
        assert os.environ["WORLD_SIZE"] == "3"
    assert "LOCAL_RANK" not in os.environ
    assert [command[1:] for command, _ in told] == [("-P", "-m", "genlab.assembly")] * 2
    assert [env["LOCAL_RANK"] for _, env in told] == ["1", "2"]
    assert {env["GENLAB_RUN"] for _, env in told} == {str(tmp_path)}
    assert len({env["MASTER_PORT"] for _, env in told}) == 1


def test_a_machine_that_does_not_keep_the_run_describes_it_to_its_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory.create(tmp_path / "run")
    seen: list[bool] = []

    def start(command: Sequence[str], *, env: Mapping[str, str]) -> Process:
        there = RunDirectory(Path(env["GENLAB_RUN"]))
        assert there.path != run.path
        assert read_config(there).trainer.num_nodes == 2
        seen.append(there.last.exists())
        return ended()

    in_environment(monkeypatch, {"NODE_RANK": "1"})
    monkeypatch.setattr(subprocess, "Popen", start)
    config = compose("train", ["trainer=ddp", "trainer.num_nodes=2"])
    with helped(run, config):
        pass
    run.last.touch()
    with helped(run, config):
        pass
    assert seen == [False, True]


def test_a_sweep_that_helps_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    in_environment(monkeypatch, {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()})
    at_once(lambda: main(["train", "-m", *SHARED, "seed=1,2"]), SRUN)
    (sweep,) = Path("outputs").glob("*/*")
    for number in "01":
        assert read_status(RunDirectory.open(sweep / number))["state"] == "done"
