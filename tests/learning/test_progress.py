"""What is shown of a run while it trains."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from genlab.learning.callbacks.progress import LiveBar, ProgressBar


@pytest.fixture
def bar(monkeypatch: pytest.MonkeyPatch) -> ProgressBar:
    settings = SimpleNamespace(monitor="val/loss", max_steps=100, max_seconds=None, rank=0)
    learner: Any = SimpleNamespace(settings=settings, step=0, speed=0.0)
    monkeypatch.setattr(ProgressBar, "learner", learner, raising=False)
    monkeypatch.setattr("genlab.learning.callbacks.progress.is_first", lambda settings: True)
    bar = ProgressBar()
    bar.last_line = time.monotonic()
    return bar


def drawn(bar: ProgressBar) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(*LiveBar(bar, console).get_renderables())
    return captured.get()


def after_a_step(bar: ProgressBar, loss: float) -> None:
    bar.learner.step, bar.learner.losses = 1, torch.tensor([loss])
    bar.on_train_batch_end(None, bar.learner, None, None, 0)  # type: ignore[arg-type]


def test_there_is_no_loss_before_the_first_step(bar: ProgressBar) -> None:
    assert "loss - " in drawn(bar)
    after_a_step(bar, 2.5)
    assert "loss 2.5 " in drawn(bar)


def test_a_small_loss_keeps_its_digits(
    bar: ProgressBar, capsys: pytest.CaptureFixture[str]
) -> None:
    after_a_step(bar, 3.2109876e-7)
    trainer: Any = SimpleNamespace(callback_metrics={"val/loss": torch.tensor(1.23456e-5)})
    bar.on_validation_end(trainer, bar.learner)
    assert "loss 3.211e-07 val/loss 1.235e-05" in drawn(bar)
    assert "step 1/100  train/loss 3.211e-07  val/loss 1.235e-05" in capsys.readouterr().err


def test_a_log_is_told_each_minute_of_a_validation_that_is_far(
    bar: ProgressBar, capsys: pytest.CaptureFixture[str]
) -> None:
    after_a_step(bar, 2.5)
    assert not capsys.readouterr().err
    bar.last_line -= 61.0
    after_a_step(bar, 2.25)
    after_a_step(bar, 2.0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("step 1/100  train/loss 2.25  0.0 steps/s")
