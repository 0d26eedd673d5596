"""A run that is stopped, in whatever way, and resumed ends like one that was never stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from small import VAE, small_experiment

import genlab
from genlab.assembly import Training
from genlab.cli.run_argument import SavedRun
from genlab.errors import Interrupted, RunError, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.status import effective_state, read_status, write_status

SETTINGS = ("trainer.ema=0.95", "callbacks.images=null")
EVALUATE = Training._evaluate


@pytest.fixture(autouse=True, scope="module")
def only_training() -> Iterator[None]:
    """No test metrics and no figures, which take longer than these runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_evaluate", "_draw"):
            patch.setattr(Training, name, lambda *_: {})
        yield


class Signal(Callback):
    """Sends this process a signal in the middle of a training step."""

    def __init__(self, number: int, step: int) -> None:
        self.number, self.step = number, step

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        update = learner.update

        def spied(batch: Any) -> torch.Tensor:
            if learner.step == self.step:
                os.kill(os.getpid(), self.number)
            return update(batch)

        learner.update = spied


class SignalInValidation(Callback):
    """Sends this process a signal while the run validates at a step."""

    def __init__(self, number: int, step: int) -> None:
        self.number, self.step = number, step

    def on_validation_batch_start(
        self, trainer: pl.Trainer, learner: pl.LightningModule, *batch: Any
    ) -> None:
        if learner.step == self.step:
            os.kill(os.getpid(), self.number)


def start(folder: Path, *overrides: str, **model: tuple[str, ...]) -> Training:
    return small_experiment(folder, *SETTINGS, *overrides, **model)


def resume(run: RunDirectory, **trainer: int) -> None:
    config = OmegaConf.load(run.config)
    config.trainer.update(trainer)
    Training(config, run).fit(resume=True)


def weights(run: RunDirectory) -> Iterator[torch.Tensor]:
    state = load_checkpoint(run.last)
    yield torch.tensor(state["step"])
    yield from state["state_dict"].values()
    yield from state["ema"]["average"].values()
    for moments in state["optimizer_states"][0]["state"].values():
        yield from moments.values()


def assert_same(a: RunDirectory, b: RunDirectory) -> None:
    for one, other in zip(weights(a), weights(b), strict=True):
        assert torch.equal(one, other)
    one, other = read_json(a.curves), read_json(b.curves)
    assert {**one, "seconds": None} == {**other, "seconds": None}
    assert one["seconds"] == sorted(one["seconds"])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = start(tmp_path_factory.mktemp("whole"))
    run.fit()
    assert run.directory is not None
    return run.directory


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 25, 59])
def test_killed_at_any_step(tmp_path: Path, uninterrupted: RunDirectory, step: int) -> None:
    child = os.fork()
    if child == 0:
        try:
            start(tmp_path).fit(callbacks=[Signal(signal.SIGKILL, step)])
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (path,) = tmp_path.glob("*/*")
    run = RunDirectory.open(path)
    assert effective_state(run) == "killed"
    assert load_checkpoint(run.last)["step"] == step // 20 * 20
    resume(run)
    assert read_status(run)["state"] == "done"
    assert_same(run, uninterrupted)


@pytest.mark.parametrize(
    ("number", "step"), [(signal.SIGINT, 33), (signal.SIGTERM, 39), (signal.SIGTERM, 59)]
)
def test_a_signal_saves_the_present_step(
    tmp_path: Path, uninterrupted: RunDirectory, number: signal.Signals, step: int
) -> None:
    """Also behind the last step before a validation, which the run is not to lose."""
    run = start(tmp_path)
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted) as stop:
        run.fit(callbacks=[Signal(number, step)])
    assert stop.value.exit_status == 128 + number
    assert handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    assert run.directory is not None
    status = read_status(run.directory)
    assert (status["state"], status["step"]) == ("interrupted", step + 1)
    assert load_checkpoint(run.directory.last)["step"] == step + 1
    resume(run.directory)
    assert_same(run.directory, uninterrupted)


class Overtaken(Callback):
    """Lets another process take the run over at a step, as when this one had stood still."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, *batch: Any
    ) -> None:
        if learner.step >= self.step:
            status = RunDirectory(Path(trainer.default_root_dir)).status
            write_json(status, {**read_json(status), "host": "elsewhere", "pid": 7})


def test_a_run_that_another_process_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    run = start(tmp_path)
    with pytest.raises(RunError, match="process 7 on elsewhere has taken it over"):
        run.fit(callbacks=[Overtaken(25)])
    assert run.directory is not None
    assert load_checkpoint(run.directory.last)["step"] == 20
    status = read_status(run.directory)
    assert (status["state"], status["host"]) == ("running", "elsewhere")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [20, 60])
def test_a_signal_during_a_validation(
    tmp_path: Path, uninterrupted: RunDirectory, number: signal.Signals, step: int
) -> None:
    run = start(tmp_path)
    with pytest.raises(Interrupted) as stop:
        run.fit(callbacks=[SignalInValidation(number, step)])
    assert stop.value.exit_status == 128 + number
    assert run.directory is not None
    assert read_status(run.directory)["state"] == "interrupted"
    resume(run.directory)
    assert_same(run.directory, uninterrupted)


def test_stopped_while_it_is_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "_evaluate", EVALUATE)
    whole, run = start(tmp_path / "whole"), start(tmp_path / "part")
    metrics = whole.fit()
    monkeypatch.setattr(run, "_evaluate", lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted):
        run.fit()
    assert run.directory is not None
    assert whole.directory is not None
    assert not run.directory.metrics.exists()
    resume(run.directory)
    assert read_status(run.directory)["state"] == "done"
    assert read_json(run.directory.metrics)["test/kl"] == metrics["test/kl"]
    assert_same(run.directory, whole.directory)


def test_a_loaded_run_goes_on_only_where_it_is_asked_to(
    tmp_path: Path, uninterrupted: RunDirectory
) -> None:
    part = start(tmp_path)
    with pytest.raises(Interrupted):
        part.fit(callbacks=[Signal(signal.SIGTERM, 33)])
    assert part.directory is not None
    loaded = genlab.load(part.directory.path)
    with pytest.raises(UserError, match=r"is interrupted; .*\.fit\(resume=True\) goes"):
        loaded.fit()
    assert load_checkpoint(part.directory.last)["step"] == 34
    loaded.fit(resume=True)
    assert_same(part.directory, uninterrupted)
    with pytest.raises(UserError, match="no run to go on with"):
        start(tmp_path).fit(resume=True)
    write_status(part.directory, "failed")
    part.directory.last.unlink()
    with pytest.raises(UserError, match="is failed, without a checkpoint; genlab rerun"):
        genlab.load(part.directory.path).fit()


def test_a_run_stopped_before_its_first_validation_is_loaded_and_goes_on(
    tmp_path: Path, uninterrupted: RunDirectory
) -> None:
    part = start(tmp_path)
    with pytest.raises(Interrupted):
        part.fit(callbacks=[Signal(signal.SIGTERM, 3)])
    assert part.directory is not None
    assert not part.directory.best.exists()
    with pytest.raises(UserError, match=r"no best weights yet\n.*genlab resume"):
        SavedRun(str(part.directory.path)).load()
    genlab.load(part.directory.path).test()
    assert not part.directory.metrics.exists(), "these are not the run's best weights"
    genlab.load(part.directory.path).fit(resume=True)
    assert_same(part.directory, uninterrupted)


def test_random_losses_go_on_with_the_same_numbers(tmp_path: Path) -> None:
    whole = start(tmp_path / "a", model=VAE)
    whole.fit()
    for name, stop in (("b", Signal(signal.SIGINT, 33)), ("c", SignalInValidation(2, 40))):
        run = start(tmp_path / name, model=VAE)
        with pytest.raises(Interrupted):
            run.fit(callbacks=[stop])
        assert run.directory is not None
        assert whole.directory is not None
        resume(run.directory)
        assert_same(run.directory, whole.directory)


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_in_other_precisions(tmp_path: Path, precision: str) -> None:
    whole, part = (
        start(tmp_path / name, f"trainer.precision={precision}") for name in ("whole", "part")
    )
    whole.fit()
    with pytest.raises(Interrupted):
        part.fit(callbacks=[Signal(signal.SIGINT, 33)])
    assert part.directory is not None
    assert whole.directory is not None
    resume(part.directory)
    assert_same(part.directory, whole.directory)
    (floating,) = {value.dtype for value in weights(whole.directory) if value.ndim}
    assert floating == (torch.float64 if precision == "64-true" else torch.float32)


@pytest.mark.slow
def test_patience_counts_across_a_kill_and_can_be_raised(tmp_path: Path) -> None:
    settings = ("optimizer.lr=0.0", "trainer.patience=2", "trainer.val_every=10")
    child = os.fork()
    if child == 0:
        try:
            start(tmp_path, *settings).fit(callbacks=[Signal(signal.SIGKILL, 25)])
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    (path,) = tmp_path.glob("*/*")
    run = RunDirectory.open(path)
    resume(run)
    assert load_checkpoint(run.last)["step"] == 30
    resume(run, patience=4)
    assert load_checkpoint(run.last)["step"] == 50


def test_further_than_planned_equals_planned_so_far(tmp_path: Path) -> None:
    constant = "schedule=constant"
    whole, part = (
        start(tmp_path / "a", constant),
        start(tmp_path / "b", constant, "trainer.max_steps=40"),
    )
    whole.fit()
    part.fit()
    assert whole.directory is not None
    assert part.directory is not None
    resume(part.directory, max_steps=60)
    assert_same(whole.directory, part.directory)


def test_reverse_kl_draws_the_same_samples_after_a_stop(tmp_path: Path) -> None:
    energy = ("data=u1", "objective=reverse_kl")
    whole, part = start(tmp_path / "a", *energy), start(tmp_path / "b", *energy)
    whole.fit()
    with pytest.raises(Interrupted):
        part.fit(callbacks=[Signal(signal.SIGTERM, 33)])
    assert whole.directory is not None
    assert part.directory is not None
    resume(part.directory)
    assert_same(whole.directory, part.directory)
