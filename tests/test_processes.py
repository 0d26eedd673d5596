"""Which process keeps a run: alone, whatever its rank; of several, the one that Lightning says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import lightning_utilities.core.rank_zero
import numpy as np
import pytest
import torch
from forks import at_once, in_environment
from lightning.fabric.utilities import rank_zero as of_fabric
from lightning.pytorch.utilities import rank_zero as of_pytorch
from matplotlib.figure import Figure
from small import SOLVE, TABLE, write_table
from torch import distributed

import genlab
from genlab.assembly import Solve, Training
from genlab.cli.main import main
from genlab.errors import UserError
from genlab.processes import (
    is_alone,
    is_first,
    own_process_group,
    rank_zero_if_alone,
)
from genlab.runs.directory import RunDirectory
from genlab.runs.status import read_status

Capture = pytest.CaptureFixture[str]

TRAIN = [word for word in TABLE if word != "logger=none"]
TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0"}
SLURM = {"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "job", "SLURM_NODEID": "0"}
LSF = {"LSB_JOBID": "77", "LSB_DJOB_RANKFILE": "hosts", "JSM_NAMESPACE_SIZE": "2"}
# What is found in the environment of the second of several processes.
SECOND = {
    "any": {"RANK": "1"},
    "Lightning": {"LOCAL_RANK": "1", "NODE_RANK": "1"},
    "torchrun": {**TORCHRUN, "RANK": "1", "LOCAL_RANK": "1"},
    "Slurm": {**SLURM, "SLURM_NTASKS": "4", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"},
    "LSF": {**LSF, "JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_LOCAL_RANK": "1"},
}

rank_zero_only: Any = of_pytorch.rank_zero_only


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a table; figures are empty and speeds not measured, which takes seconds."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    monkeypatch.setattr("genlab.evaluation.suite.samples_per_second", lambda *_, **__: 1.0)
    for kind in (Training, Solve):
        monkeypatch.setattr(kind, "_draw", lambda *_: {"empty": Figure((1, 1))})
    return tmp_path


def assert_whole(path: Path) -> None:
    """Nothing of a run's record is missing."""
    run = RunDirectory.open(path)
    assert read_status(run)["state"] == "done"
    assert "done at step" in run.log.read_text()
    assert run.config.exists()
    assert run.metrics.exists()
    assert run.curves.exists()
    assert run.best.exists()
    assert run.last.exists()
    assert list(run.tensorboard.glob("events.*"))
    assert list(run.figures.glob("*.png"))


def python(words: list[str]) -> None:
    assert genlab.experiment(*words).fit()


# What a way prints; a program prints nothing.
SHOWN = {"train": "test/nll", "python": "", "sweep": "test/nll", "tune": "val/loss"}
WAYS: dict[str, Callable[[], object]] = {
    "train": lambda: main(["train", *TRAIN]),
    "python": lambda: python(TRAIN),
    "sweep": lambda: main(["train", "-m", *TRAIN, "seed=1"]),
    "tune": lambda: main(["tune", *TRAIN, "optimizer.lr=interval(1e-3,1e-2)", "search.trials=1"]),
}


def pairs() -> Iterator[object]:
    """Each environment with each way; one way each, in turns, is looked at every time."""
    for turn, environment in enumerate(SECOND):
        for number, way in enumerate(WAYS):
            marks = [] if number == turn % len(WAYS) else [pytest.mark.slow]
            yield pytest.param(environment, way, id=f"{environment}-{way}", marks=marks)


@pytest.mark.parametrize(("environment", "way"), [*pairs()])
def test_one_device_leaves_its_record_whatever_its_rank(
    here: Path, monkeypatch: pytest.MonkeyPatch, environment: str, way: str, capsys: Capture
) -> None:
    if way == "tune":
        pytest.importorskip("optuna")
    in_environment(monkeypatch, SECOND[environment])
    # As it is when Lightning is imported in such an environment.
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    WAYS[way]()
    (manifest,) = Path().glob("outputs/**/run.json")
    assert_whole(manifest.parent)
    assert rank_zero_only.rank == 1
    assert SHOWN[way] in capsys.readouterr().out


def test_all_that_trains_on_one_device_does(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_environment(monkeypatch, SECOND["Slurm"])
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    solve = [*SOLVE, "sampler=uniform", "callbacks=minimal", "hydra.run.dir=solve"]
    assert main(["solve", *solve]) == 0
    np.savetxt("plane.csv", np.random.default_rng(0).normal(size=(100, 2)), delimiter=",")
    words = [word for word in TRAIN if not word.startswith(("model", "objective", "data.path"))]
    words += ["data.path=plane.csv", "model=nice", "model.layers=1", "model.hidden=[4]"]
    assert main(["train", *words, "trainer.replicas=2", "hydra.run.dir=many"]) == 0
    assert main(["resume", "many/seed-1", "trainer.max_steps=9"]) == 0
    assert main(["rerun", "many/seed-0", "outputs=again"]) == 0
    (again,) = Path("again").glob("*/*")
    for path in (Path("solve"), Path("many/seed-0"), Path("many/seed-1"), again):
        assert_whole(path)
    assert read_status(RunDirectory(Path("many/seed-1")))["step"] == 9


@pytest.mark.slow
def test_a_new_process_takes_its_rank_from_nothing(here: Path) -> None:
    variables = {**os.environ, **SECOND["Slurm"], "SLURM_NTASKS_PER_NODE": "4"}
    command = [sys.executable, "-m", "genlab", "train", *TRAIN]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert "test/nll" in done.stdout
    (manifest,) = Path().glob("outputs/*/*/run.json")
    assert_whole(manifest.parent)


@pytest.mark.slow
def test_four_tasks_of_slurm_leave_four_records(here: Path) -> None:
    ranks = [str(rank) for rank in range(4)]
    at_once(
        lambda: main(["train", *TRAIN]),
        [{**SECOND["Slurm"], "SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in ranks],
    )
    found = list(Path().glob("outputs/*/*"))
    assert len(found) == 4
    for path in found:
        assert_whole(path)


# Lightning's own, of any data-parallel training.
@pytest.mark.filterwarnings("ignore:It is recommended to use .*sync_dist")
def test_data_parallel_training_of_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"MASTER_ADDR": "nowhere.invalid", "MASTER_PORT": "1"}
    in_environment(monkeypatch, {**SECOND["torchrun"], **elsewhere})
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert main(["train", *TRAIN, "trainer=ddp", "trainer.devices=1"]) == 0
    (path,) = Path().glob("outputs/*/*")
    assert_whole(path)


def settings(**changed: object) -> Any:
    return SimpleNamespace(**{"accelerator": "cpu", "devices": 2, "num_nodes": 1, **changed})


@pytest.mark.parametrize(
    ("variables", "nodes"),
    [
        ({}, 1),
        # Lightning starts the others itself, so this process is the first one.
        (SECOND["any"], 1),
        ({"SLURM_PROCID": "1"}, 1),
        ({"LOCAL_RANK": "0"}, 1),
        ({"LOCAL_RANK": "1"}, 1),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, 2),
        ({"LOCAL_RANK": "0", "GROUP_RANK": "1"}, 2),
        (SECOND["torchrun"], 1),
        ({**SECOND["torchrun"], "RANK": "0"}, 1),
        ({**SECOND["Slurm"], "SLURM_NTASKS_PER_NODE": "2"}, 1),
        ({**SECOND["Slurm"], "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "0"}, 1),
        # A task that the user started by hand inside a job.
        ({**SECOND["Slurm"], "SLURM_JOB_NAME": "bash", "SLURM_NTASKS_PER_NODE": "2"}, 1),
        (SECOND["LSF"], 1),
        ({**SECOND["LSF"], "JSM_NAMESPACE_RANK": "0"}, 1),
    ],
    ids=str,
)
def test_of_several_the_first_is_that_of_lightning(
    variables: Mapping[str, str], nodes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    Path("hosts").write_text(f"launcher\n{socket.gethostname()}\n")
    in_environment(monkeypatch, variables)
    ours = is_first(settings(num_nodes=nodes))
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, num_nodes=nodes, strategy="ddp", logger=False
    )
    assert ours == trainer.is_global_zero
    assert is_first(settings(devices=1))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({**SECOND["torchrun"], "WORLD_SIZE": "4"}, "does not match the world size"),
        (SECOND["Slurm"], "use `--ntasks-per-node=4` instead"),
        ({**SECOND["Slurm"], "SLURM_NTASKS_PER_NODE": "4"}, "tasks per node"),
    ],
)
def test_other_processes_than_were_asked_for(
    variables: Mapping[str, str],
    message: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    in_environment(monkeypatch, variables)
    assert main(["train", *TRAIN, "trainer=ddp"]) == 2
    shown = capsys.readouterr().err
    assert "genlab: trainer.devices=2, trainer.num_nodes=1: " in shown
    assert message.lower() in shown.lower()
    assert "With trainer.devices=1 and trainer.num_nodes=1 each process trains by itself" in shown
    assert not Path("outputs").exists()
    with pytest.raises(UserError, match=r"trainer\.devices=2"):
        genlab.experiment(*TRAIN, "trainer=ddp").fit()
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("accelerator", "gpus", "alone"),
    [("cpu", 2, True), ("auto", 0, True), ("auto", 1, True), ("auto", 2, False), ("gpu", 2, False)],
)
def test_all_devices_may_be_one(
    accelerator: str, gpus: int, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    in_environment(monkeypatch, {"LOCAL_RANK": "1"})
    section = settings(accelerator=accelerator, devices="auto")
    assert is_alone(section) == is_first(section) == alone
    assert not is_alone(settings(accelerator=accelerator, devices="auto", num_nodes=2))


def test_lightning_has_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {of_fabric.rank_zero_only, lightning_utilities.core.rank_zero.rank_zero_only}
    assert known == {rank_zero_only}
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    with rank_zero_if_alone(settings(devices=1)):
        assert rank_zero_only.rank == 0
    assert rank_zero_only.rank == 3
    with rank_zero_if_alone(settings()):
        assert rank_zero_only.rank == 3


def test_one_process_group_after_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASTER_PORT", "1234")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    for number in range(2):
        store = distributed.FileStore(str(tmp_path / f"{number}"), 1)
        with own_process_group():
            os.environ.update(MASTER_PORT="5678", WORLD_SIZE="1")
            distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        assert not distributed.is_initialized()
        assert os.environ["MASTER_PORT"] == "1234"
        assert "WORLD_SIZE" not in os.environ


def test_processes_of_a_cluster_stay_together_unless_a_fit_fails(tmp_path: Path) -> None:
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    with own_process_group(kept=True):
        distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    with own_process_group(kept=True):
        assert distributed.is_initialized()
    with pytest.raises(ZeroDivisionError), own_process_group(kept=True):
        _ = 1 / 0
    assert not distributed.is_initialized()
