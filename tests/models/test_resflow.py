"""The residual flow as a family: its label, what it logs, how it resumes, what it refuses."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from properties import MODELS
from small import small_experiment

import genlab
from genlab.assembly import Training
from genlab.errors import Interrupted, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.models import ResFlow
from genlab.runs.files import read_json

ROULETTE = (
    "model=resflow",
    "model.log_det=russian_roulette",
    "callbacks.images=null",
    "trainer.ema=0.9",
)


class Look(Callback):
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.scalars: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Any, learner: Any, *_: Any) -> None:
        self.scalars.append(learner.scalars())


class Stop(Callback):
    """Asks the run to stop in the middle of a step."""

    def on_train_start(self, trainer: Any, learner: Any) -> None:
        update = learner.update

        def spied(batch: Any) -> torch.Tensor:
            if learner.step == 33:
                signal.raise_signal(signal.SIGTERM)
            return update(batch)

        learner.update = spied


@pytest.mark.parametrize(
    ("dim", "log_det", "label"),
    [
        (1, "auto", "exact"),
        (4, "auto", "exact"),
        (5, "auto", "estimate"),
        (5, "exact", "exact"),
        (2, "power_series", "estimate"),
    ],
)
def test_the_label_says_how_the_determinant_is_found(dim: int, log_det: str, label: str) -> None:
    assert MODELS["resflow"](dim, log_det=log_det).likelihood == label


def weights(run: Training) -> dict[str, torch.Tensor]:
    assert run.directory is not None
    return load_checkpoint(run.directory.last)["state_dict"]


def test_a_stopped_run_resumes_bit_for_bit_and_logs_the_certain_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "_evaluate", lambda _: {})
    monkeypatch.setattr(Training, "_draw", lambda *_: {})
    whole, look = small_experiment(tmp_path / "a", *ROULETTE), Look()
    whole.fit(callbacks=[look])
    part = small_experiment(tmp_path / "b", *ROULETTE)
    with pytest.raises(Interrupted):
        part.fit(callbacks=[Stop()])
    assert part.directory is not None
    again = Training(part.config, part.directory)
    again.fit(resume=True)

    assert weights(whole).keys() >= {"model.layers.layers.0.network.layers.0.u"}
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(again)[name]), name
    assert read_json(part.directory.manifest)["likelihood"] == "estimate"
    loaded = genlab.load(part.directory.path).model
    x = torch.randn(50, 2)
    assert torch.equal(loaded.log_prob(x), again.model.eval().log_prob(x))

    for scalars in look.scalars:
        assert {"train/lr", "lipschitz/block_1", "lipschitz/block_2"} <= scalars.keys()
        assert 0.01 < scalars["lipschitz/block_1"] < 0.99
    assert isinstance(loaded, ResFlow)
    layers = next(iter(loaded.layers)).network.layers
    norms = [torch.linalg.matrix_norm(layer.normalised(), ord=2) for layer in layers]
    logged = torch.tensor(list(loaded.diagnostics().values()))
    torch.testing.assert_close(logged, torch.stack(norms).prod(0), rtol=1e-4, atol=0)


def test_mistakes_are_named(tmp_path: Path) -> None:
    for override, message in [
        ("model.hidden=[]", r"model\.hidden=\[\]: expected at least one hidden layer"),
        ("model.lipschitz=1.0", r"model\.lipschitz=1\.0: expected .* less than 1"),
        ("model.activation=relu", r"model\.activation=relu: expected sine or lipswish"),
        ("model.log_det=rusian_roulette", "did you mean 'russian_roulette'"),
        ("model.gradient=neuman", "did you mean 'neumann'"),
        ("model.solver=newton", r"model\.solver=newton: expected anderson or plain"),
        ("model.tolerance=0", r"model\.tolerance=0: expected a number, greater than 0"),
    ]:
        with pytest.raises(UserError, match=message):
            small_experiment(tmp_path, "model=resflow", override)
