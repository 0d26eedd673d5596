"""Two processes that share the work."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from forks import at_once, in_environment
from small import SMALL, TABLE, small_experiment, write_table

import genlab
from genlab.cli.main import main
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.runs.directory import RunDirectory
from genlab.runs.status import read_status

pytestmark = pytest.mark.slow

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
