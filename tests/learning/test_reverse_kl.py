"""Runs that learn from an energy: what they measure, and the pairs that are refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small_experiment
from torch import Tensor

import genlab
from genlab.assembly import Training
from genlab.errors import UserError
from genlab.objectives import reverse_kl

BOWL = """
def log_prob(x):
    return -((x - 3) / 0.5).square().sum(1) / 2

normalised = False
"""


def start(folder: Path, *overrides: str) -> Training:
    return small_experiment(folder, "objective=reverse_kl", *overrides)


@pytest.fixture
def only_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test metrics and no figures, which take longer than these runs."""
    monkeypatch.setattr(Training, "_evaluate", lambda self: {})
    monkeypatch.setattr(Training, "_draw", lambda *_: {})


def custom(folder: Path, text: str, *overrides: str) -> Training:
    folder.joinpath("energy.py").write_text(text)
    return start(folder, "data=custom", f"data.file={folder / 'energy.py'}", *overrides)


def test_an_energy_with_samples(tmp_path: Path) -> None:
    run = start(tmp_path, "data=u1")
    metrics = run.fit()
    assert {"test/kl", "test/nll", "test/ess", "test/log_z", "test/log_z/se"} < set(metrics)
    assert metrics["target/log_z"] == pytest.approx(math.log(6.53715), abs=1e-5)
    error = metrics["test/log_z"] - metrics["target/log_z"]
    assert metrics["test/log_z/error"] == pytest.approx(error)
    assert 0 < metrics["test/ess"] < 1
    assert run.directory is not None
    assert {path.stem for path in run.directory.figures.glob("*.png")} == {
        "density",
        "samples",
        "latent",
        "deformation",
    }


@pytest.mark.parametrize("normalised", [True, False])
def test_a_users_own_density_without_samples(tmp_path: Path, normalised: bool) -> None:
    log_z = 2 * math.log(0.5) + math.log(2 * math.pi)
    text = BOWL if not normalised else BOWL.split("normalised")[0].rstrip() + f" - {log_z}\n"
    run = custom(tmp_path, text, "trainer.max_steps=40")
    metrics = run.fit()
    # The start is found without any samples: the flow is the identity after it.
    assert metrics["test/ess"] > 0.9
    if normalised:
        assert abs(metrics["test/log_z"]) < 4 * metrics["test/log_z/se"] + 1e-3
        assert metrics["target/log_z"] == 0
    else:
        assert abs(metrics["test/log_z"] - log_z) < 4 * metrics["test/log_z/se"] + 1e-3
        assert "target/log_z" not in metrics
    assert not {"test/kl", "test/nll", "test/w2"} & set(metrics)
    assert run.directory is not None
    assert {path.stem for path in run.directory.figures.glob("*.png")} == {
        "density",
        "samples",
        "deformation",
    }
    x = genlab.load(run.directory.path).model.sample(1000)
    assert x.mean(0).tolist() == pytest.approx([3, 3], abs=0.15)


def test_any_dimension_has_a_corner_plot(tmp_path: Path) -> None:
    run = custom(tmp_path, BOWL, "data.dim=4", "trainer.max_steps=2")
    run.fit()
    assert set(run.figures) == {"samples"}


@pytest.mark.usefixtures("only_training")
def test_the_loss_is_the_objective_at_the_step_s_beta_and_noise(tmp_path: Path) -> None:
    run = start(tmp_path, "data=u1", "objective.anneal=0.5", "objective.beta_start=0.2")
    seen: list[tuple[float, float]] = []
    update = run.module.update

    def spied(batch: Any) -> Tensor:
        loss = update(batch)
        objective = run.module.objective
        seen.append((objective.beta.item(), objective._noise.initial_seed()))
        return loss

    run.module.update = spied
    run.fit()
    betas, seeds = zip(*seen, strict=True)
    assert betas[::15] == pytest.approx([0.2, 0.6, 1.0, 1.0])
    assert len(set(seeds)) == 60


@pytest.mark.usefixtures("only_training")
def test_validation_is_at_beta_one_on_the_same_noise_each_time(tmp_path: Path) -> None:
    run = start(tmp_path, "data=u1", "optimizer.lr=0.0")
    values: list[dict[str, Tensor]] = []
    validate = run.module.validate

    def spied(batch: Any, number: int) -> dict[str, Tensor]:
        values.append(validate(batch, number))
        return values[-1]

    run.module.validate = spied
    run.fit()
    assert len(values) == 3
    assert values[0] == values[1] == values[2]
    assert set(values[0]) == {"val/loss", "val/ess", "val/nll"}
    truth = reverse_kl(run.model, run.data.target.energy, 100_000)
    assert values[0]["val/loss"].item() == pytest.approx(truth.item(), abs=0.4)


def test_no_target_follows_the_precision_or_enters_the_checkpoint(tmp_path: Path) -> None:
    run = start(tmp_path, "data=u2")
    run.module.to(torch.bfloat16)
    assert run.data.target.widths.dtype == torch.float64
    assert all(name.startswith("model.") for name in run.module.state_dict())


def refused(folder: Path, *overrides: str, text: str = "") -> str:
    with pytest.raises(UserError) as caught:
        custom(folder, text, *overrides) if text else start(folder, *overrides)
    assert len(str(caught.value).splitlines()) <= 2
    return str(caught.value)


def test_impossible_pairs_are_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = "import torch\ndef sample(n, generator): return torch.zeros(n, 2)\n"
    assert "it learns from a log-density, which is unknown for data=custom" in refused(
        tmp_path, text=sample
    )
    assert "it learns from samples, which data=custom lacks; use objective=reverse_kl" in refused(
        tmp_path, "objective=maximum_likelihood", text=BOWL
    )
    assert "data.train_size=50: the target has no samples" in refused(
        tmp_path, "data.train_size=50", text=BOWL
    )
    assert "it is piecewise constant" in refused(tmp_path, "data=checkerboard")
    deaf = "def log_prob(x): return -x.detach().square().sum(1)\n"
    assert "or not computed from x by torch operations" in refused(tmp_path, text=deaf)
    half = "def log_prob(x): return x[:, 0].log() - x.square().sum(1)\n"
    assert "are finite everywhere; at [" in refused(tmp_path, text=half)
    numpy = "import torch\ndef log_prob(x): return torch.from_numpy(-(x.numpy() ** 2).sum(1))\n"
    assert "line 2: log_prob(x) raised RuntimeError" in refused(tmp_path, text=numpy)

    monkeypatch.setattr("genlab.models.RealNVP.reparametrised", False)
    assert "differentiable in the model's parameters, which those of RealNVP are not" in refused(
        tmp_path, "data=u1"
    )
    assert not list(tmp_path.glob("*/*"))
