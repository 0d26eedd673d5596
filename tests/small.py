"""Experiments that take a second: what the end-to-end tests train."""

from __future__ import annotations

from pathlib import Path

from genlab.assembly import Experiment, experiment

__all__ = ["SMALL", "small_experiment"]

SMALL = (
    "model.layers=2",
    "model.hidden=[16]",
    "data.batch_size=64",
    "data.val_size=200",
    "data.test_size=200",
    "trainer.max_steps=60",
    "trainer.val_every=20",
    "trainer.log_every=7",
    "trainer.accelerator=cpu",
)


def small_experiment(folder: Path, *overrides: str) -> Experiment:
    """A small experiment whose run directory will lie below ``folder``."""
    return experiment(*SMALL, f"outputs={folder}", *overrides)
