"""Experiments that take a second: what the end-to-end tests train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from genlab.assembly import Training, experiment

__all__ = ["SMALL", "SOLVE", "TABLE", "VAE", "small_experiment", "write_images", "write_table"]

FLOW = ("model.layers=2", "model.hidden=[16]")
VAE = ("model=vae", "model.hidden=[16]", "model.importance_samples=4")

RUN = (
    "data.batch_size=64",
    "data.val_size=200",
    "data.test_size=200",
    "trainer.max_steps=60",
    "trainer.val_every=20",
    "trainer.log_every=7",
    "trainer.accelerator=cpu",
)
SMALL = (*FLOW, *RUN)
# Half a second, on a table of one column.
TABLE = (
    "data=table",
    "data.path=points.csv",
    "model=gmm",
    "objective=mixture_descent",
    "model.components=2",
    "trainer.max_steps=6",
    "trainer.val_every=3",
    "trainer.accelerator=cpu",
    "callbacks=minimal",
    "logger=none",
)
SOLVE = (
    "optimizer=adam",
    "problem.n_points=40",
    "pinn.hidden=[8,8]",
    "trainer.max_steps=30",
    "trainer.val_every=15",
    "trainer.log_every=10",
    "trainer.accelerator=cpu",
    "sampler.refresh=10",
)


def write_table(folder: Path) -> None:
    """Write the table of `TABLE` into the folder that its command is to run in."""
    rows = np.random.default_rng(0).normal(size=(100, 1))
    np.savetxt(folder / "points.csv", rows, header="x", comments="")


def write_images(folder: Path, n: int) -> None:
    """Write grey images of 8 x 8 into a new folder."""
    folder.mkdir()
    for number, levels in enumerate(np.random.default_rng(0).integers(0, 256, (n, 8, 8), np.uint8)):
        Image.fromarray(levels).save(folder / f"{number:03}.png")


def small_experiment(folder: Path, *overrides: str, model: tuple[str, ...] = FLOW) -> Training:
    """A small experiment whose run directory will lie below ``folder``."""
    return experiment(*RUN, *model, f"outputs={folder}", *overrides)
