"""``genlab resume``: what may change, what is refused, and that a fit goes on with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from genlab.cli.commands.resume import apply, read_config
from genlab.cli.main import main
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.densities import StandardNormal
from genlab.errors import Interrupted, RunError, UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.status import State, write_status

Capture = pytest.CaptureFixture[str]
MakeRun = Callable[..., RunDirectory]


class Experiment:
    """Notes what it was asked to do."""

    made: list[tuple[DictConfig, RunDirectory, bool]]
    fails_with: BaseException | None
    likelihood = "exact"
    remarks = ()

    def __init__(self, config: DictConfig, run: RunDirectory) -> None:
        self.config, self.run = config, run
        self.module = SimpleNamespace(model=StandardNormal((2,)))

    def fit(self, *, resume: bool, **_: object) -> dict[str, float | None]:
        type(self).made.append((self.config, self.run, resume))
        if type(self).fails_with is not None:
            raise type(self).fails_with
        return {"test/kl": 0.0123, "test/kl/se": 0.001}


@pytest.fixture
def fits(assembly: ModuleType, monkeypatch: pytest.MonkeyPatch) -> type[Experiment]:
    """Experiments that were fitted; their configurations are taken as checked."""
    monkeypatch.setattr("genlab.config.check.check", lambda config: None)
    Experiment.made, Experiment.fails_with = [], None
    assembly.from_config = Experiment
    return Experiment


@pytest.fixture
def stopped(make_run: MakeRun) -> RunDirectory:
    """A run that was interrupted at step 40 of 100."""
    run = make_run("stopped")
    torch.save({"step": 40}, run.last)
    write_status(run, "interrupted", step=40)
    return run


def test_a_run_goes_on(stopped: RunDirectory, fits: type[Experiment], capsys: Capture) -> None:
    assert main(["resume", "latest"]) == 0
    ((config, run, resumed),) = fits.made
    assert config == OmegaConf.load(stopped.config)
    assert (run, resumed) == (stopped, True)
    shown = capsys.readouterr().out
    assert "realnvp on moons: outputs/stopped" in shown
    assert "0.0123 +- 0.0010" in shown


def test_a_helping_process_is_silent(
    stopped: RunDirectory,
    fits: type[Experiment],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert main(["resume", "latest", "trainer.devices=2"]) == 0
    assert len(fits.made) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("state", ["running", "done"])
def test_a_helping_process_goes_on_with_what_the_first_one_holds(
    stopped: RunDirectory,
    fits: type[Experiment],
    monkeypatch: pytest.MonkeyPatch,
    state: State,
) -> None:
    write_status(stopped, state, step=40)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert main(["resume", "latest", "trainer.devices=2"]) == 0
    assert len(fits.made) == 1
    assert not stopped.log.exists()


def test_a_finished_run_says_how_to_go_further(
    make_run: MakeRun, fits: type[Experiment], capsys: Capture
) -> None:
    run = make_run()
    assert main(["resume", "run"]) == 0
    assert fits.made == []
    shown = capsys.readouterr().out
    assert "outputs/run is done, at step 100 of 100" in shown
    assert "genlab resume outputs/run trainer.max_steps=200" in shown
    torch.save({"step": 100}, run.last)
    assert main(["resume", "run", "trainer.max_steps=200"]) == 0
    ((config, _, _),) = fits.made
    assert config.trainer.max_steps == 200


def test_a_finished_run_does_not_go_back(
    make_run: MakeRun, fits: type[Experiment], capsys: Capture
) -> None:
    make_run()
    assert main(["resume", "run", "trainer.max_steps=50"]) == 2
    assert "trainer.max_steps=50: the run is at step 100 already" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["interrupted", "failed", "running"])
def test_no_run_goes_back(
    stopped: RunDirectory, fits: type[Experiment], capsys: Capture, state: State
) -> None:
    write_status(stopped, state, step=40)
    # As of a process that was killed.
    write_json(stopped.status, {**read_json(stopped.status), "process": "1"})
    assert main(["resume", "latest", "trainer.max_steps=39"]) == 2
    assert "trainer.max_steps=39: the run is at step 40 already" in capsys.readouterr().err
    assert fits.made == []
    assert main(["resume", "latest", "trainer.max_steps=40"]) == 0
    assert len(fits.made) == 1


@pytest.mark.parametrize("key", ["trainer.max_steps", "trainer.devices"])
@pytest.mark.parametrize("name", ["stopped", "done"])
def test_values_are_checked_before_they_are_compared(
    make_run: MakeRun,
    fits: type[Experiment],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    key: str,
) -> None:
    monkeypatch.setattr("genlab.config.check.check", check)
    run = make_run(name)
    OmegaConf.save(compose("train", []), run.config)
    torch.save({"step": 40}, run.last)
    write_status(run, "done" if name == "done" else "interrupted", step=40)
    assert main(["resume", name, f"{key}=abc"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"genlab: {key}=abc: expected an integer, at least 1")
    assert fits.made == []


def test_a_run_that_stopped_by_patience_goes_on_with_more(
    make_run: MakeRun, fits: type[Experiment], capsys: Capture
) -> None:
    run = make_run()
    config = OmegaConf.load(run.config)
    config.trainer.patience = 3
    OmegaConf.save(config, run.config)
    torch.save({"step": 60}, run.last)
    write_status(run, "done", step=60)
    assert main(["resume", "run"]) == 0
    assert fits.made == []
    shown = capsys.readouterr().out
    assert "done, at step 60 of 100" in shown
    assert "genlab resume outputs/run trainer.patience=null" in shown
    assert main(["resume", "run", "trainer.patience=null"]) == 0
    assert len(fits.made) == 1


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trainer.max_step=5", "trainer.max_step: .*did you mean 'max_steps'"),
        ("trainer", "expected KEY=VALUE, got 'trainer'"),
        ("model.layers=4", "model.layers=4: cannot change when a run is resumed"),
        ("trainer.ema=0.9", "trainer.ema=0.9: cannot change when a run is resumed"),
        ("seed=1", "seed=1: cannot change"),
        ("nothing.here=1", "nothing.here: no"),
    ],
)
def test_what_may_not_change(stopped: RunDirectory, word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        apply(read_config(stopped), [word])


def test_values_are_read_as_hydra_reads_them(stopped: RunDirectory) -> None:
    config = read_config(stopped)
    apply(config, ["trainer.max_steps=200", "trainer.patience=null", "trainer.accelerator=cpu"])
    assert config.trainer.max_steps == 200
    assert config.trainer.patience is None
    assert config.trainer.accelerator == "cpu"


def test_a_run_that_is_still_running(
    make_run: MakeRun, fits: type[Experiment], capsys: Capture
) -> None:
    write_status(make_run(), "running")
    assert main(["resume", "run"]) == 2
    assert f"still running (process {os.getpid()} on " in capsys.readouterr().err
    assert fits.made == []


def test_a_run_that_died_on_another_machine_is_forced(
    stopped: RunDirectory, fits: type[Experiment], capsys: Capture
) -> None:
    write_status(stopped, "running", step=40)
    write_json(stopped.status, {**read_json(stopped.status), "host": "elsewhere"})
    assert main(["resume", "latest"]) == 2
    assert "genlab resume --force outputs/stopped" in capsys.readouterr().err
    assert fits.made == []
    assert main(["resume", "--force", "latest"]) == 0
    assert main(["resume", "latest", "--force", "trainer.max_steps=50"]) == 0
    assert [config.trainer.max_steps for config, _, _ in fits.made] == [100, 50]


def test_a_run_whose_process_was_killed_goes_on(
    stopped: RunDirectory, fits: type[Experiment]
) -> None:
    write_status(stopped, "running", step=40)
    write_json(stopped.status, {**read_json(stopped.status), "process": "1"})
    assert main(["resume", "latest"]) == 0
    assert len(fits.made) == 1


@pytest.mark.parametrize(
    ("damage", "status", "message"),
    [
        (lambda run: run.last.unlink(), 2, "no checkpoint to go on from (outputs/stopped/check"),
        (
            lambda run: run.last.write_bytes(run.last.read_bytes()[:-200]),
            1,
            "the checkpoint is damaged",
        ),
        (lambda run: run.config.unlink(), 2, "config.yaml: cannot be read"),
        (lambda run: run.config.write_text("a: [1"), 2, "config.yaml: not valid YAML"),
        (lambda run: run.config.write_text(""), 2, "not the configuration of a run"),
    ],
)
def test_damaged_runs(
    stopped: RunDirectory,
    fits: type[Experiment],
    capsys: Capture,
    damage: Callable[[RunDirectory], object],
    status: int,
    message: str,
) -> None:
    damage(stopped)
    assert main(["resume", "latest"]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert fits.made == []


def test_what_a_stopped_run_says(
    stopped: RunDirectory, fits: type[Experiment], capsys: Capture
) -> None:
    fits.fails_with = Interrupted(signal.SIGTERM)
    assert main(["resume", "latest"]) == 143
    assert capsys.readouterr().err == (
        "genlab: stopped by SIGTERM\ngo on with: genlab resume outputs/stopped\n"
    )


def test_what_a_failed_run_says(
    stopped: RunDirectory, fits: type[Experiment], capsys: Capture
) -> None:
    stopped.log.touch()
    fits.fails_with = ZeroDivisionError("division by zero")
    assert main(["resume", "latest"]) == 1
    assert capsys.readouterr().err == (
        "genlab: ZeroDivisionError: division by zero\nlog: outputs/stopped/run.log\n"
    )
    fits.fails_with = RunError("the loss is NaN at step 41")
    assert main(["resume", "latest"]) == 1
    assert capsys.readouterr().err == "genlab: the loss is NaN at step 41\n"
