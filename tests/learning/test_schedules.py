"""Schedules against torch's own schedulers, and their contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import SGD, lr_scheduler

from genlab.learning.schedules import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    OneCycle,
    Schedule,
    StepDecay,
)

STEPS = 50
LR = 0.3

SAME: dict[str, tuple[Schedule, Callable[[SGD], Any]]] = {
    "constant": (Constant(warmup=0.0), lambda sgd: lr_scheduler.ConstantLR(sgd, factor=1.0)),
    "warmup": (
        Constant(warmup=9 / STEPS),
        lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=0.1, total_iters=9),
    ),
    "cosine": (
        Cosine(warmup=0.0, final=0.1),
        lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, STEPS, eta_min=0.1 * LR),
    ),
    "warmup_cosine": (
        Cosine(warmup=9 / STEPS, final=0.0),
        lambda sgd: lr_scheduler.SequentialLR(
            sgd,
            [
                lr_scheduler.LinearLR(sgd, start_factor=0.1, total_iters=9),
                lr_scheduler.CosineAnnealingLR(sgd, STEPS - 9),
            ],
            milestones=[9],
        ),
    ),
    "linear": (
        Linear(warmup=0.0, final=0.2),
        lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=1.0, end_factor=0.2, total_iters=STEPS),
    ),
    "step": (
        StepDecay(every=7, factor=0.5),
        lambda sgd: lr_scheduler.StepLR(sgd, step_size=7, gamma=0.5),
    ),
    "exponential": (
        Exponential(warmup=0.0, final=0.01),
        lambda sgd: lr_scheduler.ExponentialLR(sgd, gamma=0.01 ** (1 / STEPS)),
    ),
    "one_cycle": (
        OneCycle(peak_at=0.3, start=0.04, final=4e-6),
        lambda sgd: lr_scheduler.OneCycleLR(
            sgd, LR, total_steps=STEPS, pct_start=0.3, cycle_momentum=False
        ),
    ),
}

SCHEDULES = [schedule for schedule, _ in SAME.values()]


@pytest.mark.parametrize("name", SAME)
@pytest.mark.filterwarnings("ignore:The epoch parameter in")
def test_equals_torch(name: str) -> None:
    schedule, make = SAME[name]
    sgd = SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = make(sgd)
    for step in range(STEPS):
        expected = sgd.param_groups[0]["lr"]
        assert LR * schedule(step, STEPS) == pytest.approx(expected, rel=1e-9, abs=1e-12), step
        sgd.step()
        if step < STEPS - 1:
            scheduler.step()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=SAME)
@pytest.mark.parametrize("max_steps", [1, 2, 3, 1000])
def test_is_a_fraction_everywhere(schedule: Schedule, max_steps: int) -> None:
    """Also with fewer steps than the warm-up has, and beyond the end, as after a resume."""
    factors = [schedule(step, max_steps) for step in range(max_steps + 5)]
    assert all(math.isfinite(factor) and 0 <= factor <= 1 for factor in factors)
    assert factors[0] > 0


@pytest.mark.parametrize(
    "schedule",
    [
        Cosine(warmup=0.15, final=0.25),
        Linear(warmup=0.15, final=0.25),
        Exponential(warmup=0.15, final=0.25),
    ],
    ids=["cosine", "linear", "exponential"],
)
def test_ends_at_final_and_stays(schedule: Schedule) -> None:
    assert schedule(20, 20) == pytest.approx(0.25)
    assert schedule(999, 20) == pytest.approx(0.25)
    assert schedule(3, 20) == 1.0


def test_one_cycle_peaks_once() -> None:
    factors = [OneCycle(peak_at=0.25, start=0.1, final=0.0)(step, 100) for step in range(100)]
    peak = factors.index(max(factors))
    assert peak == 24
    assert factors[:25] == sorted(factors[:25])
    assert factors[24:] == sorted(factors[24:], reverse=True)
    assert factors[-1] == 0.0
