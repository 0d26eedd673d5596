"""Jobs of Slurm: saved and put back into the queue by a signal, and gone on with when it returns.

``scontrol`` is a script that takes notes.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from forks import in_environment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from omegaconf import DictConfig, OmegaConf
from pages import BLOCK, PAGES, commands
from small import SOLVE, TABLE, write_table

from genlab import slurm
from genlab.cli.main import main
from genlab.cli.sweep_job import SweepJob
from genlab.config.stored import plain
from genlab.errors import Interrupted
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.interruption import Interruption
from genlab.processes import environment
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.find import find_runs
from genlab.runs.manifest import write_manifest
from genlab.runs.status import read_status, write_status
from genlab.runs.sweep import Job, SweepDirectory

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("undrawn")

JOB = {"SLURM_JOB_ID": "78", "SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": "4"}
# A user's callback: a signal at a step, the first time only.
SIGNALS = """
import os
from pathlib import Path

from lightning.pytorch.callbacks import Callback


class Signals(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, learner, batch, index):
        for path in Path().glob("SIG*"):
            if learner.step >= self.step:
                path.unlink()
                os.kill(os.getpid(), int(path.suffix[1:]))
"""
STOPS = ("+callbacks.stops._target_=signals.Signals", "+callbacks.stops.step=3")
TRAIN = (*TABLE, *STOPS)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A folder of a user in a job of an array; what ``scontrol`` has been asked for so far."""
    programs, notes = tmp_path / "programs", tmp_path / "notes"
    programs.mkdir()
    stub = programs / "scontrol"
    stub.write_text(f'#!/bin/sh\necho "$*" >>{notes}\n')
    stub.chmod(0o755)
    in_environment(monkeypatch, JOB)
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    Path("signals.py").write_text(SIGNALS)
    return lambda: notes.read_text().splitlines() if notes.exists() else []


def again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Slurm adds when it starts a job again."""
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")


def send(number: signal.Signals) -> None:
    """Let the next training be sent a signal."""
    Path(f"{number.name}.{number.value}").touch()


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    state = load_checkpoint(run.last)
    return {"step": torch.tensor(state["step"]), **state["state_dict"]}


def assert_same_weights(one: RunDirectory, other: RunDirectory) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def assert_same(one: RunDirectory, other: RunDirectory) -> None:
    assert_same_weights(one, other)
    measured = [
        {tag: value for tag, value in read_json(run.metrics).items() if not tag.startswith("time/")}
        for run in (one, other)
    ]
    assert measured[0] == measured[1]


@pytest.mark.parametrize(
    ("variables", "name", "asks"),
    [
        ({}, None, None),
        ({"SLURM_JOB_ID": "77"}, "77", signal.SIGUSR1),
        (JOB, "77_4", signal.SIGUSR1),
        ({**JOB, "SUBMITIT_EXECUTOR": "slurm"}, "77_4", signal.SIGUSR2),
        (
            {**JOB, "SUBMITIT_EXECUTOR": "slurm", "SUBMITIT_PREEMPT_SIGNAL": "HUP"},
            "77_4",
            signal.SIGHUP,
        ),
    ],
)
def test_a_job_and_its_signal(
    variables: Mapping[str, str],
    name: str | None,
    asks: signal.Signals | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_environment(monkeypatch, variables)
    assert (slurm.job(), slurm.requeue_signal()) == (name, asks)
    assert not slurm.is_requeued()
    again(monkeypatch)
    assert slurm.is_requeued() == (name is not None)


def test_scontrol_refuses_or_is_not_there(
    asked: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    stub = tmp_path / "programs" / "scontrol"
    stub.write_text('#!/bin/sh\necho "Job is pending execution" >&2; exit 1\n')
    assert slurm.requeue() == "scontrol requeue 77_4: Job is pending execution"
    monkeypatch.setenv("PATH", "")
    told = "scontrol requeue 77_4: No such file or directory; the job is not back in the queue"
    assert slurm.requeue() == told
    assert handlers == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]


@pytest.mark.parametrize(
    ("numbers", "received"),
    [
        ((signal.SIGTERM, signal.SIGUSR1), signal.SIGUSR1),
        ((signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1), signal.SIGUSR1),
        ((signal.SIGTERM, signal.SIGTERM), None),
        ((signal.SIGINT, signal.SIGINT), None),
    ],
)
def test_what_a_cluster_sends_together_waits_for_the_step(
    asked: Callable[[], list[str]],
    numbers: tuple[signal.Signals, ...],
    received: signal.Signals | None,
) -> None:
    interruption, requests = Interruption(), []
    interruption.defer_to(lambda: requests.append(1))
    with interruption.handled():
        signal.raise_signal(numbers[0])
        if received is None:
            with pytest.raises(Interrupted):
                signal.raise_signal(numbers[1])
        else:
            for number in numbers[1:]:
                signal.raise_signal(number)
            assert interruption.received == received
    assert requests == [1]


@pytest.mark.parametrize(
    ("variables", "helps", "notes"),
    [
        ({}, False, ["requeue 77_4"]),
        ({}, True, []),
        ({"SUBMITIT_EXECUTOR": "slurm", "SUBMITIT_PREEMPT_SIGNAL": "USR1"}, False, []),
    ],
)
def test_the_command_puts_its_job_back_once(
    asked: Callable[[], list[str]],
    variables: Mapping[str, str],
    helps: bool,
    notes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    """Slurm's own end comes while the command is being left; submitit sees to the queue itself."""
    in_environment(monkeypatch, {**JOB, **variables})

    def run(words: list[str]) -> int:
        with slurm.helping(helps):
            try:
                signal.raise_signal(signal.SIGUSR1)
            finally:
                signal.raise_signal(signal.SIGTERM)
        return 0

    module = ModuleType("genlab.cli.commands.doctor")
    module.run = run
    monkeypatch.setitem(sys.modules, "genlab.cli.commands.doctor", module)
    before = signal.getsignal(signal.SIGUSR1)
    assert main(["doctor"]) == 143
    assert asked() == notes
    line = "job 77_4 is back in the queue, and the same command goes on there"
    assert (line in capsys.readouterr().err) == bool(notes)
    assert signal.getsignal(signal.SIGUSR1) == before


@pytest.mark.slow
@pytest.mark.parametrize("words", [("train", *TRAIN), ("solve", "sampler=uniform", *SOLVE, *STOPS)])
def test_a_run_is_saved_queued_again_and_gone_on_with(
    words: tuple[str, ...],
    asked: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    words = (*words, "callbacks=minimal", "logger=none")
    assert main([*words, "outputs=whole"]) == 0
    send(signal.SIGUSR1)
    assert main([*words]) == 128 + signal.SIGUSR1
    shown = capsys.readouterr().err
    assert "genlab: stopped by SIGUSR1\ngo on with: genlab resume outputs/" in shown
    assert shown.endswith("job 77_4 is back in the queue, and the same command goes on there\n")
    assert asked() == ["requeue 77_4"]
    (run,) = find_runs(Path("outputs"))
    status = read_status(run)
    assert (status["state"], status["slurm_job"]) == ("interrupted", "77_4")
    assert status["step"] == load_checkpoint(run.last)["step"] > 3
    assert not list(Path().rglob("hpc_ckpt*"))
    again(monkeypatch)
    assert main([*words]) == 0
    assert f"job 77_4 goes on with {run.path}" in capsys.readouterr().out
    assert [found.path for found in find_runs(Path("outputs"))] == [run.path]
    assert_same(run, *find_runs(Path("whole")))
    assert main([*words]) == 0, "what is done is done, where a later line of the script is queued"
    assert [found.path for found in find_runs(Path("outputs"))] == [run.path]
    assert asked() == ["requeue 77_4"]


def test_only_its_own_run_is_gone_on_with(
    asked: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another seed, another task, another job begin runs of their own; so does the first start."""
    monkeypatch.setenv("SLURM_PROCID", "1")
    send(signal.SIGUSR1)
    assert main(["train", *TRAIN, "hydra.run.dir=mine"]) == 128 + signal.SIGUSR1
    assert main(["train", *TRAIN, "hydra.run.dir=mine"]) == 2, "it was not started again"
    again(monkeypatch)
    for change in ({"SLURM_PROCID": "0"}, {"SLURM_ARRAY_TASK_ID": "5"}):
        with monkeypatch.context() as other:
            for name, value in change.items():
                other.setenv(name, value)
            assert main(["train", *TRAIN, "hydra.run.dir=mine"]) == 2
    assert main(["train", *TRAIN, "seed=5", "hydra.run.dir=mine"]) == 2
    assert main(["train", *TRAIN, "hydra.run.dir=mine"]) == 0
    assert read_status(RunDirectory(Path("mine")))["state"] == "done"


@pytest.mark.slow
def test_replicas_are_gone_on_with(
    asked: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savetxt("plane.csv", np.random.default_rng(0).normal(size=(100, 2)), delimiter=",")
    words = [word for word in TABLE if not word.startswith(("model", "objective", "data.path"))]
    words += ["data.path=plane.csv", "model=nice", "model.layers=1", "model.hidden=[4]", *STOPS]
    words += ["trainer.replicas=2"]
    assert main(["train", *words, "outputs=whole"]) == 0
    send(signal.SIGUSR1)
    assert main(["train", *words]) == 128 + signal.SIGUSR1
    again(monkeypatch)
    assert main(["train", *words]) == 0
    assert asked() == ["requeue 77_4"]
    pairs = zip(find_runs(Path("outputs")), find_runs(Path("whole")), strict=True)
    for one, other in pairs:
        assert weights(one)["step"] == weights(other)["step"] == 6
        for name, value in weights(other).items():
            torch.testing.assert_close(weights(one)[name], value)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Instead of training, leave a run and note its seed; seed 2 is asked to go once."""
    done: list[tuple[int, bool]] = []

    def fit(config: DictConfig, run: RunDirectory, **how: Any) -> dict[str, float | None]:
        done.append((config.seed, how["resume"]))
        if not how["resume"]:
            run.config.write_text(OmegaConf.to_yaml(config))
            names = {"model": config.choices.model, "data": config.choices.data}
            write_manifest(run, config=plain(config), likelihood="exact", threads=1, **names)
        run.last.touch()
        if config.seed == 2 and not slurm.is_requeued():
            write_status(run, "interrupted", step=1)
            signal.raise_signal(slurm.requeue_signal() or 0)
        write_json(run.metrics, {"val/loss": config.optimizer.lr})
        write_status(run, "done", step=2)
        return {"val/loss": config.optimizer.lr}

    monkeypatch.setattr("genlab.cli.run.fit", fit)
    return done


@pytest.mark.slow
def test_a_sweep_goes_on_in_its_folder(
    asked: Callable[[], list[str]],
    fits: list[tuple[int, bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["train", "-m", *TABLE, "seed=1,2,3"]
    assert main(words) == 128 + signal.SIGUSR1
    assert asked() == ["requeue 77_4"]
    again(monkeypatch)
    assert main([*words[:-1], "seed=1,5"]) == 0, "another sweep of the same script"
    assert main(words) == 0
    assert fits == [(1, False), (2, False), (1, False), (5, False), (2, True), (3, False)]
    first, other = sorted(Path("outputs").glob("*/*-sweep*"), key=lambda path: path.stat().st_mtime)
    assert {len(find_runs(folder)) for folder in (first, other)} == {2, 3}


@pytest.mark.slow
def test_a_study_goes_on_in_its_folder(
    asked: Callable[[], list[str]],
    fits: list[tuple[int, bool]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    pytest.importorskip("optuna")
    words = ["tune", *TABLE, "seed=2", "optimizer.lr=interval(1e-3,1e-2)", "search.trials=2"]
    assert main(words) == 128 + signal.SIGUSR1
    assert asked() == ["requeue 77_4"]
    again(monkeypatch)
    assert main([*words[:-1], "search.trials=2"]) == 0
    (folder,) = Path("outputs").glob("*/*-tune-*")
    shown = capsys.readouterr()
    assert f"job 77_4 goes on with {folder}" in shown.out
    assert "was killed" not in shown.out
    assert fits == [(2, False), (2, True), (2, False)]


def test_submitit_is_given_its_signal_when_all_is_saved(
    asked: Callable[[], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its handler, which a training has put aside, asks for the queue and ends the process."""
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    sweep, _ = SweepDirectory.enter(tmp_path / "sweep", [Job(0, "seed=0", ("seed=0",), "a hash")])
    job = SweepJob(sweep, command="train", searchpath=(), fail_fast=False, ours=True)
    handled = []

    def train(number: int, config: DictConfig) -> None:
        interruption = Interruption()
        interruption.defer_to(lambda: None)
        with interruption.handled():
            signal.raise_signal(signal.SIGTERM)  # which comes along where a job is pushed aside
            signal.raise_signal(signal.SIGUSR2)
            interruption.stop_deferring()

    def handler(number: int, frame: object) -> None:
        handled.append(sweep.jobs()[0].number)
        sys.exit(-1)

    monkeypatch.setattr(job, "_train", train)
    monkeypatch.setattr(
        "hydra.core.hydra_config.HydraConfig.get",
        lambda: DictConfig({"runtime": {"output_dir": str(sweep.run(0).path)}}),
    )
    before = signal.signal(signal.SIGUSR2, handler)
    try:
        with pytest.raises(SystemExit):
            job(DictConfig({}))
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert handled == [0]
    assert sweep.read(sweep.jobs())[0].state == "waiting"
    assert sweep.begin(0), "for when the job is started again"
    assert asked() == []


def test_lightning_queues_nothing_by_itself(
    asked: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "0"}
    in_environment(monkeypatch, {**JOB, **tasks})
    settings = SimpleNamespace(devices=2, num_nodes=1, accelerator="cpu")
    found = environment(settings)
    assert isinstance(found, SLURMEnvironment)
    assert not found.auto_requeue
    in_environment(monkeypatch, {})
    assert not isinstance(environment(settings), SLURMEnvironment)


SHORT = (
    *("model.layers=1", "model.hidden=[8]", "model.bins=4", "data.val_size=200"),
    *("data.test_size=200", "trainer.max_steps=800", "trainer.val_every=20"),
    *("trainer.accelerator=cpu", "callbacks=minimal", "logger=none"),
)


@pytest.mark.slow
def test_the_job_script_of_the_guide(
    asked: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked to go back, then ended with two seconds to save, and twice gone on with."""
    ((_, script),) = BLOCK.findall(PAGES["docs/guides/cluster.md"])
    Path("job.sh").write_text(script)
    genlab = f'{sys.executable} -m genlab "$@" {shlex.join(SHORT)}'
    programs = {"srun": 'exec "$@"', "genlab": f"exec {genlab}"}
    for name, line in programs.items():
        (tmp_path / "programs" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "programs" / name).chmod(0o755)
    (words,) = commands(script)
    assert main([*words, *SHORT, "outputs=whole"]) == 0
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    for restart, number in enumerate((signal.SIGUSR1, signal.SIGTERM, None)):
        if restart:
            monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))
        job = subprocess.Popen(["bash", "job.sh"])
        if number is None:
            assert job.wait() == 0
        else:
            run = at_step(restart * 40 + 20)
            pid = read_status(run)["pid"]
            os.kill(pid, number)
            with suppress(subprocess.TimeoutExpired):
                job.wait(2 if number == signal.SIGTERM else None)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            assert job.wait() != 0
        assert asked() == ["requeue 77_4"]
    (run,) = find_runs(Path("outputs"))
    assert read_json(run.curves)["step"] == [*range(20, 801, 20)]
    # Tests measure in less detail in this process.
    assert_same_weights(run, *find_runs(Path("whole")))


def at_step(step: int) -> RunDirectory:
    """The run below ``outputs`` that is here, once it has validated at a step."""
    while True:
        for run in find_runs(Path("outputs")):
            if run.curves.exists() and read_json(run.curves)["step"][-1] >= step:
                return run
        time.sleep(0.05)
