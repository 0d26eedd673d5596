"""Whole runs on fields: their metrics, their figures, their way from noise, and a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from genlab.assembly import experiment
from genlab.cli.main import main
from genlab.config.compose import compose

SMALL = (
    "data.train_size=64",
    "data.val_size=16",
    "data.test_size=60",
    "data.batch_size=16",
    "model.evaluation.rtol=0.1",
    "model.evaluation.atol=0.1",
    "trainer.max_steps=4",
    "trainer.val_every=2",
    "callbacks.images.every=1",
)


@pytest.mark.slow
def test_a_run_on_turbulence_given_block_means(tmp_path: Path) -> None:
    run = experiment(
        "experiment=superres_turbulence",
        "data.size=9",
        "model.network.width=4",
        "model.network.blocks=1",
        f"data.root={tmp_path}",
        f"outputs={tmp_path}",
        *SMALL,
    )
    metrics = run.fit()
    for tag in ("crps", "spread_skill", "misfit", "spectrum", "flatness", "increments"):
        assert metrics[f"test/{tag}"] is not None
        assert metrics[f"test/{tag}/se"] is not None
    assert "test/kl" not in metrics
    assert run.directory is not None
    names = {path.stem for path in run.directory.figures.iterdir()}
    assert {"samples", "spectrum", "densities", "flux", "super_resolution", "paths"} <= names
    assert run.animate(tmp_path).read_bytes()[:3] == b"GIF"


@pytest.mark.slow
def test_a_run_on_turbulence_is_judged_by_nats_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.evaluation.suite.FIELDS", 32)
    run = experiment(
        "experiment=turbulence",
        "data.size=7",
        "data.time=0.2",
        "trainer.max_seconds=null",
        "model.solver.steps=2",
        f"data.root={tmp_path}",
        f"outputs={tmp_path}",
        *SMALL,
    )
    metrics = run.fit()
    assert metrics["test/negentropy_captured"] is not None
    assert metrics["target/flatness"] is not None
    assert run.directory is not None
    picture = tmp_path / "fields.png"
    assert main(["sample", str(run.directory.path), "-n", "4", "-o", str(picture)]) == 0
    assert picture.read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("size", [63, 127])
def test_the_recipe_for_a_gpu_composes(size: int) -> None:
    config = compose("train", ["experiment=turbulence_gpu", f"data.size={size}"])
    assert config.trainer.accelerator == "gpu"
    assert list(config.data.event_shape) == [1, size, size]


@pytest.mark.slow
def test_the_recipe_for_a_gpu_takes_steps_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.evaluation.suite.FIELDS", 16)
    run = experiment(
        "experiment=turbulence_gpu",
        "trainer.accelerator=cpu",
        "data.size=7",
        "data.time=0.2",
        "model.network.modes=3",
        f"data.root={tmp_path}",
        f"outputs={tmp_path}",
        *SMALL,
    )
    assert run.fit()["test/negentropy_captured"] is not None
