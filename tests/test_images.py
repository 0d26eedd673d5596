"""A whole run on images with labels: its metrics, its figures, and images of one class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from genlab.assembly import experiment
from genlab.evaluation import classifier


def test_a_run_on_digits_given_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(classifier, "STEPS", 60)
    run = experiment(
        "data=digits",
        "model=gmm",
        "model.components=1",
        "model.covariance=diag",
        "data.condition=label",
        "callbacks.images.every=1",
        f"outputs={tmp_path}",
    )
    metrics = run.fit()
    # Naive Bayes: a diagonal Gaussian a class.
    assert 0.75 < metrics["test/accuracy"] < 0.98
    share, error = metrics["test/accuracy"], metrics["test/accuracy/se"]
    assert 50 < share * (1 - share) / error**2 < 600, "that of so many images"
    assert metrics["test/bits_per_dim"] < 4.1
    for score in ("frechet", "precision", "recall"):
        assert metrics[f"test/{score}"] is not None
        assert metrics[f"test/{score}/reference"] is not None
    assert metrics["test/classifier"] == int(metrics["test/classifier"])
    assert run.directory is not None
    assert {path.name for path in run.directory.figures.iterdir()} == {"samples.png"}
    sevens = run.model.sample(200, torch.tensor([7]))
    joint = [run.model.log_prob(sevens, torch.tensor([label])) for label in range(10)]
    assert (torch.stack(joint).argmax(0) == 7).float().mean() > 0.9
