"""Learners against a bare training loop, and what ends a training early."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small import small_experiment

from genlab.batch import Batch
from genlab.errors import RunError, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.ema import EMA
from genlab.learning.rng import rng_state, set_rng_state
from genlab.objectives import negative_log_likelihood
from genlab.runs.status import read_status

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_is_the_bare_loop_bit_for_bit(tmp_path: Path, precision: str) -> None:
    run = small_experiment(
        tmp_path,
        "trainer.gradient_clip=0.5",
        "trainer.max_steps=23",
        "schedule.warmup=0.0",
        f"trainer.precision={precision}",
    )
    run.initialise()
    model = copy.deepcopy(run.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=run.config.optimizer.lr, fused=True)
    for step in range(23):
        for group in optimizer.param_groups:
            group["lr"] = run.config.optimizer.lr * 0.5 * (1 + math.cos(math.pi * step / 23))
        optimizer.zero_grad()
        rows = run.data.stream.rows(64 * step, 64 * step + 64).cast(model.device, model.dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = negative_log_likelihood(model, rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    run.fit()
    assert run.directory is not None
    state = load_checkpoint(run.directory.last)
    assert state["step"] == 23
    for name, value in model.state_dict().items():
        assert torch.equal(state["state_dict"][f"model.{name}"], value), name


def test_weights_count_in_the_likelihood(tmp_path: Path) -> None:
    model = small_experiment(tmp_path).model
    x = torch.randn(6, 2)
    weight = torch.tensor([0.0, 0.0, 1.0, 2.0, 0.0, 0.0])
    expected = -(model.log_prob(x[2:3]) + 2 * model.log_prob(x[3:4])).squeeze() / 3
    torch.testing.assert_close(negative_log_likelihood(model, Batch(x, weight=weight)), expected)


def test_a_validation_of_signed_weights_is_the_mean_over_all_rows(tmp_path: Path) -> None:
    learner = small_experiment(tmp_path).module
    x = torch.randn(6, 2)
    # The last batch weighs nothing in all: a mean of its own it has none.
    weight = torch.tensor([1.0, 1.0, -1.0, 1.0, 1.0, -1.0])
    for index, rows in enumerate((slice(4), slice(4, 6))):
        learner.validation_step(Batch(x[rows], weight=weight[rows]), index)
    expected = -(weight * learner.model.log_prob(x)).sum() / weight.sum()
    torch.testing.assert_close(learner.validation_means()["val/nll"], expected)


def test_the_average_follows_its_formula_and_is_swapped_back() -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    first = model.weight.detach().clone()
    ema = EMA(model, decay=0.9)
    with torch.no_grad():
        model.weight += 1
    ema.update()
    decay = min(0.9, 2 / 11)
    expected = decay * first + (1 - decay) * model.weight.detach()
    with ema.applied():
        torch.testing.assert_close(model.weight.detach(), expected)
    torch.testing.assert_close(model.weight.detach(), first + 1)


def test_the_averaged_weights_are_those_that_are_loaded(tmp_path: Path) -> None:
    import genlab

    run = small_experiment(tmp_path, "trainer.ema=0.9")
    run.fit()
    assert run.directory is not None
    state = load_checkpoint(run.directory.best)
    loaded = genlab.load(run.directory.path)
    name, value = next(iter(loaded.model.named_parameters()))
    assert torch.equal(value, state["ema"]["average"][name])
    assert not torch.equal(value, state["state_dict"][f"model.{name}"])
    assert not loaded.model.training


def test_rng_state_round_trip() -> None:
    import random

    import numpy as np

    state = rng_state()
    first = (random.random(), np.random.rand(), torch.rand(1).item())
    set_rng_state(state)
    assert first == (random.random(), np.random.rand(), torch.rand(1).item())


@pytest.mark.parametrize("bad", ["nan", "big"])
def test_a_lost_loss_stops_the_run_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, bad: str
) -> None:
    run = small_experiment(tmp_path)
    loss = run.module.loss

    def spoiled(batch: Batch) -> torch.Tensor:
        value = loss(batch)
        if run.module.step >= 44:
            return value * math.nan if bad == "nan" else value * 0 + 1e6
        return value

    run.module.compiled_loss = spoiled
    with pytest.raises(RunError, match="at step 45; the last good checkpoint") as error:
        run.fit()
    assert "optimizer.lr" in str(error.value)
    assert run.directory is not None
    state = load_checkpoint(run.directory.last)
    assert state["step"] == 40
    assert all(value.isfinite().all() for value in state["state_dict"].values())
    assert read_status(run.directory)["state"] == "failed"


@pytest.mark.parametrize(
    ("rows", "message"),
    [(32768, "data: 3 rows of the training hold NaN"), (200, "data: 1 rows of the validation")],
)
def test_a_loss_that_is_lost_by_the_data_says_so(tmp_path: Path, rows: int, message: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n\ndef sample(n, generator):\n"
        "    x = torch.randn(n, 2, generator=generator)\n"
        f"    if n == {rows}:\n"
        "        x[-100, 1] = float('nan')\n"
        "    return x\n"
    )
    broken = small_experiment(
        tmp_path / "out", "data=custom", f"data.file={file}", "data.batch_size=15000"
    )
    with pytest.raises(UserError, match=message):
        broken.fit()


def test_time_and_patience_end_the_training_early(tmp_path: Path) -> None:
    limited = small_experiment(tmp_path, "trainer.max_seconds=1e-6")
    assert limited.fit()["train/steps"] == 1
    # Without learning, the second validation is no better than the first.
    patient = small_experiment(tmp_path, "optimizer.lr=0.0", "trainer.patience=1")
    assert patient.fit()["train/steps"] == 40


def test_the_learning_rate_has_fallen_when_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = small_experiment(
        tmp_path, "trainer.max_seconds=0.5", "trainer.max_steps=1000000", "trainer.val_every=1000"
    )
    # A clock on which each step takes ten milliseconds.
    clock = SimpleNamespace(monotonic=lambda: 0.01 * limited.module.step)
    monkeypatch.setattr("genlab.learning.learner.time", clock)
    assert limited.fit()["train/steps"] == 50
    (group,) = limited.module.optimizer.param_groups
    assert 0 < group["lr"] < 0.05 * group["initial_lr"]


def test_a_warm_start_begins_with_the_other_runs_weights(tmp_path: Path) -> None:
    first = small_experiment(tmp_path)
    first.fit()
    assert first.directory is not None
    start = f"trainer.warm_start={first.directory.path}"
    second = small_experiment(tmp_path, start, "optimizer.lr=0.0", "trainer.max_steps=1", "seed=5")
    second.fit()
    for name, value in first.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value, atol=1e-6, rtol=0)
    other = small_experiment(tmp_path, start, "model=nice")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"trainer\.warm_start=.*another model"):
        other.fit()
    assert sorted(tmp_path.rglob("*")) == before, "what is refused leaves nothing"


@pytest.mark.parametrize("damage", ["missing", "torn", "garbage"])
def test_a_missing_or_damaged_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "last.ckpt"
    if damage == "torn":
        torch.save({"step": 1, "weights": torch.zeros(1000)}, path)
        path.write_bytes(path.read_bytes()[:500])
    if damage == "garbage":
        path.write_bytes(b"no checkpoint")
    with pytest.raises(RunError, match="no such checkpoint" if damage == "missing" else "damaged"):
        load_checkpoint(path)


def test_double_precision_trains_in_float64(tmp_path: Path) -> None:
    import genlab

    run = small_experiment(tmp_path, "trainer.precision=64-true", "trainer.max_steps=5")
    metrics = run.fit()
    assert run.directory is not None
    loaded = genlab.load(run.directory.path)
    assert loaded.model.dtype == torch.float64
    assert metrics["test/inverse_error"] < 1e-12
