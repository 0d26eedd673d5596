"""Replicas against the same runs alone, and what one of them may not do to the others."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import pytest
import torch
from small import SMALL
from torch import nn

import genlab
from genlab.assembly import Replicas, Training
from genlab.assembly.replicas import Stack
from genlab.batch import Batch
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.descent import clip_rows
from genlab.errors import Interrupted, UserError
from genlab.learning.callbacks import Checkpoints
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.gradient import ObjectiveLearner
from genlab.runs.files import read_json
from genlab.runs.status import read_status


@pytest.fixture(autouse=True)
def untested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests and figures are those of any run: leave them out."""

    def conclude(self: Training, trainer: object, best: Checkpoints) -> dict[str, float | None]:
        return {}

    monkeypatch.setattr(Training, "conclude", conclude)


def replicas(folder: Path, *overrides: str) -> Replicas:
    config = compose("train", [*SMALL, "trainer.max_steps=20", "trainer.val_every=10", *overrides])
    check(config)
    return Replicas(config, folder)


FAMILIES = {
    "nice": ("model=nice",),
    "realnvp": ("model=realnvp", "model.actnorm=true", "model.mixing=lu", "trainer.ema=0.9"),
    "krnet": ("model=krnet", "trainer.precision=64-true"),
    "nsf": ("model=nsf", "data.train_size=100", "optimizer=sgd"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_replica_is_the_run_of_its_seed(family: str, tmp_path: Path) -> None:
    overrides = ("seed=3", "trainer.gradient_clip=0.5", "callbacks=minimal", *FAMILIES[family])
    together = replicas(tmp_path, "trainer.replicas=2", *overrides)
    together.fit()
    replica = together.runs[1]
    alone = genlab.experiment(
        *SMALL,
        "trainer.max_steps=20",
        "trainer.val_every=10",
        *overrides,
        "seed=4",
        f"outputs={tmp_path}",
    )
    alone.fit()
    assert replica.error is None
    assert alone.directory is not None
    ours, theirs = load_checkpoint(replica.run.last), load_checkpoint(alone.directory.last)
    assert ours["step"] == theirs["step"] == 20
    for key in ("state_dict", "optimizer_states", "ema"):
        torch.testing.assert_close(ours.get(key), theirs.get(key), rtol=1e-3, atol=1e-5)
    # Nothing of the other replica is saved along.
    assert replica.run.last.stat().st_size < 1.2 * alone.directory.last.stat().st_size
    curves, expected = read_json(replica.run.curves), read_json(alone.directory.curves)
    for key in ("step", "train/loss", "val/loss"):
        assert curves[key] == pytest.approx(expected[key], rel=1e-5), key
    manifests = [read_json(run.manifest) for run in (replica.run, alone.directory)]
    assert manifests[0]["config_hash"] == manifests[1]["config_hash"]


def test_a_replica_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    overrides = ("model=nice", "trainer.replicas=3", "trainer.max_steps=30")
    undisturbed = replicas(tmp_path / "a", *overrides)
    undisturbed.fit()
    disturbed = replicas(tmp_path / "b", *overrides)
    first, second, third = disturbed.runs
    _spoil(first.training, after=12)
    disturbed.fit()
    assert "hold NaN" in str(first.error)
    assert read_status(first.run)["state"] == "failed"
    assert math.isfinite(read_json(first.run.curves)["val/loss"][0])
    for spoilt, run in zip((second, third), undisturbed.runs[1:], strict=True):
        assert spoilt.error is None
        assert read_status(spoilt.run)["state"] == "done"
        state = load_checkpoint(spoilt.run.last)["state_dict"]
        for name, value in load_checkpoint(run.run.last)["state_dict"].items():
            assert torch.equal(state[name], value), name
    assert "failed at step 14" in first.run.log.read_text()
    assert "failed" not in second.run.log.read_text()


def test_a_replica_goes_on_alone(tmp_path: Path) -> None:
    together = replicas(tmp_path, "trainer.replicas=2", "model=realnvp", "trainer.max_steps=10")
    together.fit()
    run = together.runs[1].run
    config = together.runs[1].training.config
    config.trainer.max_steps = 20
    resumed = Training(config, run)
    resumed.fit(resume=True)
    assert resumed.module.step == 20
    assert load_checkpoint(run.last)["step"] == 20
    assert json.loads(run.curves.read_text())["step"] == [10, 20]


@pytest.mark.parametrize("step", [13, 19])
def test_a_signal_lets_each_of_them_go_on(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("trainer.replicas=2", "model=nice", "trainer.max_steps=30")
    whole, stopped = replicas(tmp_path / "a", *settings), replicas(tmp_path / "b", *settings)
    whole.fit()
    take_step = Stack._step

    def spied(self: Stack, first: ObjectiveLearner, batch: Batch) -> torch.Tensor:
        if first.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(self, first, batch)

    monkeypatch.setattr(Stack, "_step", spied)
    with pytest.raises(Interrupted):
        stopped.fit()
    monkeypatch.setattr(Stack, "_step", take_step)
    for replica, other in zip(stopped.runs, whole.runs, strict=True):
        status = read_status(replica.run)
        assert (status["state"], status["step"]) == ("interrupted", step + 1)
        Training(replica.training.config, replica.run).fit(resume=True)
        assert read_status(replica.run)["state"] == "done"
        curves, expected = read_json(replica.run.curves), read_json(other.run.curves)
        assert curves["step"] == [10, 20, 30]
        # Alone it takes the same steps, to rounding.
        assert curves["val/loss"] == pytest.approx(expected["val/loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model=gmm",),
            "model=gmm takes its steps alone; choose from: krnet, nice, nsf, realnvp, or",
        ),
        (("model=resflow",), "or sweep by -m seed="),
        (("trainer=ddp",), "share one device"),
        (("trainer.compile=true",), "trainer.compile=true: not with"),
        (("trainer.precision=bf16-mixed",), "choose from: 32-true, 64-true"),
        (
            ("objective=reverse_kl", "data=double_well"),
            "objective=reverse_kl takes its steps alone",
        ),
    ],
)
def test_what_cannot_be_trained_together_is_refused(
    overrides: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    config = compose("train", [*overrides, "trainer.replicas=2"])
    with pytest.raises(UserError, match=message):
        Replicas(config, tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_experiment_is_one_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is one, use"):
        genlab.experiment("trainer.replicas=2", f"outputs={tmp_path}")


def test_rows_are_clipped_as_gradients_are() -> None:
    rows = torch.randn(3, 7) * torch.tensor([[0.1], [1.0], [10.0]])
    expected = []
    for row in rows:
        parameter = nn.Parameter(torch.zeros(7))
        parameter.grad = row.clone()
        nn.utils.clip_grad_norm_([parameter], 1.5)
        expected.append(parameter.grad)
    stacked = nn.Parameter(torch.zeros(3, 7))
    stacked.grad = rows
    norms = clip_rows(stacked, 1.5)
    torch.testing.assert_close(stacked.grad, torch.stack(expected))
    assert norms[2] > 1.5


def _spoil(experiment: Training, *, after: int) -> None:
    """Let the rows of a run be no numbers from some step on, once its model has its start."""
    stream, initialise = experiment.data.stream, experiment.initialise

    def rows(start: int, stop: int) -> Batch:
        batch: Batch = type(stream).rows(stream, start, stop)
        wrong = torch.arange(start, stop) >= after * 64
        return batch._replace(x=batch.x.masked_fill(wrong[:, None], torch.nan))

    def then_spoil() -> None:
        initialise()
        stream.rows = rows

    experiment.initialise = then_spoil  # type: ignore[method-assign]
