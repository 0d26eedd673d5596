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
from small import small_experiment

from genlab.assembly import Experiment
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.interruption import Interrupted
from genlab.runs.directory import RunDirectory
from genlab.runs.status import effective_state, read_status

SETTINGS = ("trainer.ema=0.95", "callbacks.images=null")


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


def start(folder: Path, *overrides: str, stop: Signal | None = None) -> Experiment:
    run = small_experiment(folder, *SETTINGS, *overrides)
    if stop is not None:
        callbacks = run._callbacks()
        run._callbacks = lambda: [*callbacks, stop]
    return run


def resume(run: RunDirectory, **trainer: int) -> None:
    config = OmegaConf.load(run.config)
    config.trainer.update(trainer)
    Experiment(config, run).fit(resume=True)


def weights(run: RunDirectory) -> Iterator[torch.Tensor]:
    state = load_checkpoint(run.last)
    yield torch.tensor(state["step"])
    yield from state["state_dict"].values()
    yield from (torch.as_tensor(value) for value in state["ema"].values())
    for moments in state["optimizer_states"][0]["state"].values():
        yield from moments.values()


def assert_same(a: RunDirectory, b: RunDirectory) -> None:
    for one, other in zip(weights(a), weights(b), strict=True):
        assert torch.equal(one, other)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = start(tmp_path_factory.mktemp("whole"))
    run.fit()
    assert run.run is not None
    return run.run


@pytest.mark.parametrize("step", [3, 25, 59])
def test_killed_at_any_step(tmp_path: Path, uninterrupted: RunDirectory, step: int) -> None:
    child = os.fork()
    if child == 0:
        start(tmp_path, stop=Signal(signal.SIGKILL, step)).fit()
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (path,) = tmp_path.glob("*/*")
    run = RunDirectory.open(path)
    assert effective_state(run) == "killed"
    assert load_checkpoint(run.last)["step"] == step // 20 * 20
    resume(run)
    assert read_status(run)["state"] == "done"
    assert_same(run, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_present_step(
    tmp_path: Path, uninterrupted: RunDirectory, number: signal.Signals
) -> None:
    run = start(tmp_path, stop=Signal(number, 33))
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted) as stop:
        run.fit()
    assert stop.value.exit_status == 128 + number
    assert handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    assert run.run is not None
    status = read_status(run.run)
    assert (status["state"], status["step"]) == ("interrupted", 34)
    assert load_checkpoint(run.run.last)["step"] == 34
    resume(run.run)
    assert_same(run.run, uninterrupted)


def test_further_than_planned_equals_planned_so_far(tmp_path: Path) -> None:
    constant = "schedule=constant"
    whole, part = (
        start(tmp_path / "a", constant),
        start(tmp_path / "b", constant, "trainer.max_steps=40"),
    )
    whole.fit()
    part.fit()
    assert whole.run is not None
    assert part.run is not None
    resume(part.run, max_steps=60)
    assert_same(whole.run, part.run)
