"""Runs in each type of numbers: what is rounded, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from small import RUN, SMALL, small_experiment

import genlab
from genlab.assembly import Training
from genlab.errors import UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.gradient import GradientLearner
from genlab.objectives import (
    negative_log_likelihood,
)

FEW = ("trainer.max_steps=20", "trainer.log_every=20", "callbacks=minimal", "logger=none")


def fitted(folder: Path, *overrides: str, model: tuple[str, ...] = SMALL[:2]) -> Training:
    """A small run that is neither tested nor drawn."""
    experiment = small_experiment(folder, *FEW, *overrides, model=model)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_evaluate", "_draw"):
            patch.setattr(type(experiment), name, lambda *_: {})
        experiment.fit()
    return experiment


def same(one: Iterable[torch.Tensor], other: Iterable[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_run_is_validated_and_tested_in_the_type_of_its_weights(tmp_path: Path) -> None:
    run = fitted(tmp_path, "trainer.precision=bf16-mixed", "trainer.ema=0.5")
    assert run.directory is not None
    checkpoint = load_checkpoint(run.directory.best)
    weights = [*checkpoint["state_dict"].values(), *checkpoint["ema"]["average"].values()]
    assert {value.dtype for value in weights} == {torch.float32}
    with torch.no_grad():
        loss = negative_log_likelihood(run.model, run.data.validation)
    recorded = json.loads(run.directory.metrics.read_text())
    assert recorded["val/loss"] == pytest.approx(loss.item(), rel=1e-6)
    assert genlab.load(run.directory.path).model.dtype == torch.float32


def test_steps_that_are_logged_together_are_the_same_steps(tmp_path: Path) -> None:
    """Rounded weights are not kept from one step to the next."""
    runs = [
        fitted(tmp_path / str(every), "trainer.precision=bf16-mixed", f"trainer.log_every={every}")
        for every in (1, 20)
    ]
    assert same(*(run.model.state_dict().values() for run in runs))
    exact = fitted(tmp_path / "exact", "trainer.precision=32-true")
    for name, value in exact.model.state_dict().items():
        rounded = runs[0].model.state_dict()[name]
        assert value.numel() < 10 or not torch.equal(value, rounded)
        torch.testing.assert_close(rounded, value, atol=0.01, rtol=0)


# A family on a kind of data, made small.
COARSE = ("solver@model.evaluation=rk4", "model.evaluation.steps=2")
IN_DOUBLE = {
    "gmm": ("objective=mixture_descent", "model.components=2"),
    "vae": ("model.hidden=[16]", "model.importance_samples=2"),
    "nice": SMALL[:2],
    "realnvp": SMALL[:2],
    "krnet": ("model.hidden=[16]",),
    "resflow": SMALL[:2],
    "nsf": SMALL[:2],
    "cnf": ("model.network.width=16", "model.network.blocks=1"),
    "flow-matching": ("model.network.width=16", "model.network.blocks=1"),
    "nsf table": SMALL[:2],
    "vae table": ("model.hidden=[16]", "model.importance_samples=2"),
    "gmm digits": ("objective=mixture_descent", "model.components=2", "model.rank=2"),
    "vae digits": ("model.hidden=[8]", "model.importance_samples=2"),
    "realnvp digits": SMALL[:2],
    "cnf digits": ("model.network.channels=[4,4]", *COARSE),
    "flow-matching digits": ("model.network.channels=[4,4]", "objective.val_rows=2", *COARSE),
}


def write_rows(folder: Path) -> Path:
    """A table whose digits float32 does not hold: a spread of 0.01 about 123456."""
    rows = np.random.default_rng(0).normal(size=(600, 3)) * [0.01, 1.0, 1.0] + [123456.0, 0.0, 5.0]
    np.save(folder / "rows.npy", rows)
    return folder / "rows.npy"


@pytest.mark.parametrize("case", IN_DOUBLE)
def test_a_run_in_double_precision_holds_nothing_else(tmp_path: Path, case: str) -> None:
    family, _, kind = case.partition(" ")
    words = {
        "": ("data=moons", *RUN[1:3]),
        "table": ("data=table", f"data.path={write_rows(tmp_path)}", "data.condition=[2]"),
        "digits": ("data=digits",),
    }[kind]
    settings = ("trainer.precision=64-true", "trainer.accelerator=cpu")
    run = genlab.experiment(f"model={family}", *words, *IN_DOUBLE[case], *settings)
    run.initialise()
    module, model = run.module, run.model
    assert isinstance(module, GradientLearner)
    rows = run.data.stream.rows(0, 8).cast(torch.device("cpu"), torch.float64)
    loss = module.loss(rows)
    loss.backward()
    values = [loss, *model.parameters(), *model.buffers(), *(p.grad for p in model.parameters())]
    floating = [value for value in values if value is not None and value.is_floating_point()]
    assert {value.dtype for value in floating} == {torch.float64}
    with torch.no_grad():
        validation = run.data.validation.rows(slice(4)).cast(torch.device("cpu"), torch.float64)
        numbers = module.eval().validate(validation)
        x = model.sample(2, None if rows.context is None else rows.context[:2])
    assert {value.dtype for value in (x, *numbers.values())} == {torch.float64}
    assert loss.isfinite()
    assert loss.float().double() != loss


def test_units_of_a_table_keep_the_digits_of_double_precision(tmp_path: Path) -> None:
    path = write_rows(tmp_path)
    run = genlab.experiment(
        "model=gmm",
        "model.components=1",
        "model.covariance=full",
        "data=table",
        f"data.path={path}",
        "data.condition=[2]",
        "trainer.precision=64-true",
    )
    rows = run.data.first_rows()
    assert rows.context is not None
    run.initialise()
    z = run.model.preprocessing(rows.x)[0]
    context = run.model.context_encoder(rows.context, len(rows.x), torch.float64)
    for part in (z, context):
        torch.testing.assert_close(part.mean(0), torch.zeros_like(part[0]), atol=1e-8, rtol=0)
        one = torch.ones_like(part[0])
        torch.testing.assert_close(part.std(0, correction=0), one, atol=1e-8, rtol=0)


def test_a_pass_of_em_sees_the_same_rows_in_every_precision(tmp_path: Path) -> None:
    """A stream makes its rows within the step."""
    words = ("data=pinn_residual", "data.steps=1", "data.cells=10", "trainer.max_steps=3")
    mixture = ("model=gmm", "model.components=2", "model.tolerance=0.0")
    single, mixed, double = (
        fitted(tmp_path / name, f"trainer.precision={name}", *words, model=mixture).model
        for name in ("32-true", "bf16-mixed", "64-true")
    )
    assert same(mixed.state_dict().values(), single.state_dict().values())
    assert double.dtype == torch.float64
    for name, value in double.state_dict().items():
        torch.testing.assert_close(single.state_dict()[name].double(), value, atol=1e-3, rtol=1e-3)


def test_weights_of_another_precision_become_the_runs_own(tmp_path: Path) -> None:
    first = fitted(tmp_path / "first", "trainer.precision=64-true")
    assert first.directory is not None
    start = f"trainer.warm_start={first.directory.path}"
    second = fitted(tmp_path / "second", start)
    third = fitted(tmp_path / "third", start, "trainer.precision=64-true")
    assert (first.model.dtype, second.model.dtype, third.model.dtype) == (
        torch.float64,
        torch.float32,
        torch.float64,
    )


@pytest.mark.parametrize("name", ["bf16-true", "16-mixed", "16-true"])
def test_precisions_that_spoil_the_numbers_are_refused_with_advice(name: str) -> None:
    with pytest.raises(UserError, match=rf"trainer.precision={name}: .*; use .*=bf16-mixed, which"):
        genlab.experiment(f"trainer.precision={name}")


def test_a_solve_is_not_rounded() -> None:
    with pytest.raises(UserError, match=r"bf16-mixed: a solve takes .* use trainer.precision=32"):
        genlab.experiment("trainer.precision=bf16-mixed", command="solve")
