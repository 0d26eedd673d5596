"""Whole runs of a Gaussian mixture: by EM and by gradient, stopped and resumed."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf

import genlab
from genlab.assembly import Training, experiment
from genlab.data.module import WholePasses
from genlab.errors import Interrupted, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.status import read_status

# No figures but those of the run that several tests look at.
pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = (
    "model=gmm",
    "data=eight_gaussians",
    "data.train_size=1000",
    "data.batch_size=300",
    "data.val_size=200",
    "data.test_size=200",
    "model.max_components=12",
    "model.restarts=1",
    "trainer.val_every=4",
    "trainer.accelerator=cpu",
    "callbacks=minimal",
    "logger=none",
)


def small(folder: Path, *overrides: str) -> Training:
    return experiment(*SMALL, f"outputs={folder}", *overrides)


class Signal(Callback):
    """Sends this process a signal in the middle of a pass."""

    def __init__(self, number: int, step: int) -> None:
        self.number, self.step = number, step

    def on_train_start(self, trainer: pl.Trainer, learner: Any) -> None:
        observe = learner.passes.observe

        def spied(batch: Any) -> None:
            if learner.step == self.step:
                self.step = -1
                os.kill(os.getpid(), self.number)
            observe(batch)

        learner.passes.observe = spied


def assert_same(a: RunDirectory, b: RunDirectory) -> None:
    one, other = load_checkpoint(a.last), load_checkpoint(b.last)
    assert one["step"] == other["step"]
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    for part, expected in zip(one["passes"]["present"], other["passes"]["present"], strict=True):
        assert torch.equal(part, expected)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Training:
    torch.manual_seed(0)
    whole = small(tmp_path_factory.mktemp("whole"))
    whole.fit()
    return whole


def test_a_run_converges_and_reports(run: Training) -> None:
    assert run.directory is not None
    metrics = read_json(run.directory.metrics)
    assert metrics["train/steps"] < 300
    assert metrics["model/components"] == 8
    assert metrics["test/kl"] < 0.05
    training = run.data.training_set
    assert training is not None
    assert len(training.x) == 1000
    assert metrics["model/bic"] == pytest.approx(run.model.bic(training), rel=1e-5)
    assert metrics["model/aic"] < metrics["model/bic"]
    assert read_status(run.directory)["state"] == "done"
    assert {"density.png", "samples.png"} == {p.name for p in run.directory.figures.iterdir()}


def test_a_run_begins_where_the_trial_on_the_first_rows_ended(tmp_path: Path) -> None:
    one = small(tmp_path)
    one.initialise()
    weights, _, _ = one.model.moments()
    assert weights.shape == (1, 8)
    # Centres that were only drawn would all weigh the same, in Gaussians of one size.
    assert weights.std() > 1e-3
    loss = -one.model.log_prob(one.data.first_rows().x).mean()
    assert loss < -one.data.target.log_prob(one.data.first_rows().x).mean()


def test_the_number_found_is_loaded_again(run: Training) -> None:
    assert run.directory is not None
    loaded = genlab.load(run.directory.path)
    x = torch.randn(50, 2)
    assert loaded.model.mixture.logits.shape == (1, 8)
    torch.testing.assert_close(loaded.model.log_prob(x), run.model.log_prob(x), atol=0, rtol=0)


@pytest.mark.slow
def test_killed_between_two_checkpoints(tmp_path: Path, run: Training) -> None:
    step = 9
    child = os.fork()
    if child == 0:
        try:
            small(tmp_path).fit(callbacks=[Signal(signal.SIGKILL, step)])
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (path,) = tmp_path.glob("*/*")
    killed = RunDirectory.open(path)
    assert load_checkpoint(killed.last)["step"] == step // 4 * 4
    Training(OmegaConf.load(killed.config), killed).fit(resume=True)
    assert run.directory is not None
    assert_same(killed, run.directory)


def test_a_signal_waits_for_the_end_of_the_pass(tmp_path: Path, run: Training) -> None:
    stopped = small(tmp_path)
    with pytest.raises(Interrupted):
        stopped.fit(callbacks=[Signal(signal.SIGINT, 5)])
    assert stopped.directory is not None
    assert load_checkpoint(stopped.directory.last)["step"] == 6
    Training(OmegaConf.load(stopped.directory.config), stopped.directory).fit(resume=True)
    assert run.directory is not None
    assert_same(stopped.directory, run.directory)


def test_a_converged_run_has_nothing_left_to_train(run: Training) -> None:
    assert run.directory is not None
    config = OmegaConf.load(run.directory.config)
    config.trainer.max_steps = 1000
    before = load_checkpoint(run.directory.last)["step"]
    again = Training(config, run.directory)
    again.fit(resume=True)
    assert again.module.step == before


def test_the_training_loss_never_rises(tmp_path: Path) -> None:
    losses = []

    class Losses(Callback):
        def on_train_batch_end(self, trainer: Any, learner: Any, *rest: Any) -> None:
            losses.extend(learner.losses.tolist())

    options = ("model.components=5", "data=moons", "trainer.max_steps=25", "model.tolerance=0")
    small(tmp_path, *options, "trainer.precision=64-true").fit(callbacks=[Losses()])
    assert len(losses) == 25
    assert all(b <= a + 1e-12 for a, b in pairwise(losses))


def test_fresh_rows_in_each_pass(tmp_path: Path) -> None:
    endless = small(tmp_path, "data.train_size=null", "data.batch_size=2000")
    metrics = endless.fit()
    assert metrics["model/components"] == 8
    assert metrics["test/kl"] < 0.05
    assert "model/bic" not in metrics
    assert endless.data.training_set is None


def test_gradient_descent_learns_the_same_parameters(tmp_path: Path) -> None:
    fit = ("objective=mixture_descent", "trainer.max_steps=60")
    descent = small(tmp_path, *fit, "trainer.val_every=20", "optimizer.lr=0.02")
    descent.initialise()
    shapes = {name: value.shape for name, value in descent.model.named_parameters()}
    assert shapes["mixture.logits"] == (1, 8)
    before = -descent.model.log_prob(descent.data.test.x).mean().item()
    metrics = descent.fit()
    assert metrics["test/nll"] < before + 0.05
    assert {name: value.shape for name, value in descent.model.named_parameters()} == shapes
    assert descent.directory is not None
    assert genlab.load(descent.directory.path).test()["test/nll"] == pytest.approx(
        metrics["test/nll"], abs=1e-5
    )


def test_several_processes_read_different_rows_of_a_pass(run: Training) -> None:
    passes = [list(*WholePasses(run.data, 2, 3, rank, 3).batches()) for rank in range(3)]
    rows = torch.cat([batch.x for batches in passes for batch in batches])
    assert [len(batch.x) for batch in passes[0]] == [100, 100, 100, 34]
    training = run.data.training_set
    assert training is not None
    assert torch.equal(rows[rows[:, 0].argsort()], training.x[training.x[:, 0].argsort()])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=0.1", r"optimizer\.lr=0\.1: nothing uses it; EM has"),
        ("schedule=linear", "schedule=linear: nothing uses it"),
        ("trainer.ema=0.9", r"trainer\.ema=0\.9: EM takes no gradient steps; objective=mixture"),
        ("trainer.gradient_clip=1.0", r"trainer\.gradient_clip=1\.0: EM takes no gradient"),
        ("trainer.compile=true", r"trainer\.compile=True: EM takes no gradient"),
        ("model.fit=em", r"model\.fit=em: no such key any more; write objective=em or objective="),
        ("model.components=many", r"components=many: expected an integer, at least 1, or auto"),
        ("model.start=kmeans", r"start=kmeans: expected kmeans\+\+ or random; did you mean"),
        ("model.covariance_floor=0", "covariance_floor=0: expected a number, greater than 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        experiment(*SMALL, override, f"outputs={tmp_path}")


def test_only_mixtures_are_learned_by_em(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="objective: EM teaches GMM models, not RealNVP"):
        experiment("model=realnvp", "objective=em", "trainer=debug", f"outputs={tmp_path}")


BROKEN = """
import torch

def sample(n, generator):
    x = torch.randn(n, 2, generator=generator)
    if n == 1000:
        x[{rows}, 0] = {value}
    return x
"""


@pytest.mark.parametrize(
    ("rows", "value", "message"),
    [
        ("7", "float('nan')", "data: 1 of the first 1000 rows hold NaN or infinite values"),
        ("slice(500)", "3.0", None),
    ],
)
def test_data_of_the_users_own(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rows: str,
    value: str,
    message: str | None,
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BROKEN.format(rows=rows, value=value))
    own = small(
        tmp_path / "out", "data=custom", f"data.file={file}", "model.components=2", "seed=1"
    )
    if message is not None:
        with pytest.raises(UserError, match=message):
            own.fit()
        return
    own.fit()
    shown = capsys.readouterr().err
    assert "warning: component" in shown
    assert "collapsed: flat to covariance_floor=1e-06 in some direction" in shown
