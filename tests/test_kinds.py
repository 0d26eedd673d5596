"""Every family learns every kind of data, in 32-true and in bf16-mixed.

Each pair is trained in one of the two precisions, so that each family and each kind meets both, and
each family reads one of the formats of a table; ``GENLAB_FULL=1 scripts/test tests/test_kinds.py``
trains the whole product. With ``-s`` a table of the outcomes is printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from properties import FAMILIES
from small import write_images

from genlab.assembly import Training, experiment
from genlab.densities.inference import draw_samples, inference, log_probs
from genlab.learning.trainer import make_trainer

FLOW = ("model.layers=2", "model.hidden=[8]")
UNET = ("model.network.channels=[4,8]", "model.network.embedding=8")
MLP = ("model.network.width=8", "model.network.blocks=1", "model.network.waves=4")
# The validation is about whether it runs, and a log-density follows the ODE.
COARSE = ("model.evaluation.rtol=0.1", "model.evaluation.atol=0.1")
# What makes a family small.
SIZES = {
    "gmm": ("model.components=2", "model.restarts=1"),
    "vae": ("model.hidden=[8]", "model.importance_samples=2"),
    "nice": FLOW,
    "realnvp": FLOW,
    "krnet": ("model.layers=2", "model.groups=2", "model.hidden=[8]", "model.bins=4"),
    "resflow": FLOW,
    "nsf": ("model.layers=2", "model.hidden=[8]", "model.bins=4"),
    "cnf": ("model.solver.steps=1", *COARSE),
    "flow-matching": ("objective.val_rows=8", *COARSE),
}
IMAGES = ("data.train_size=64", "data.val_size=8", "data.test_size=8", "data.batch_size=16")
ROWS = ("data.batch_size=32",)
STREAM = ("data.val_size=16", "data.test_size=16", "data.batch_size=32")
KINDS = {
    "toy": ("data=moons", *STREAM),
    "csv": ("data=table", "data.path=rows.csv", *ROWS),
    "parquet": ("data=table", "data.path=rows.parquet", *ROWS),
    "npy": ("data=table", "data.path=rows.npy", *ROWS),
    "npz": ("data=table", "data.path=rows.npz", *ROWS),
    "torus": ("data=torus", *STREAM),
    "cylinder": ("data=table", "data.path=rows.csv", "data.circular=[a]", *ROWS),
    "conditional": ("data=table", "data.path=rows.csv", "data.condition=[c]", *ROWS),
    "digits": ("data=digits", *IMAGES),
    "labelled": ("data=digits", "data.condition=label", *IMAGES),
    "folder": ("data=image_folder", "data.path=images", *IMAGES),
    "residual": (
        "data=pinn_residual",
        "data.steps=2",
        "data.cells=8",
        "pinn.hidden=[4]",
        "problem.n_points=16",
        *STREAM,
    ),
}
# What is in them is the same, and so is all that comes after the reading.
FORMATS = ("csv", "parquet", "npy", "npz")
PRECISIONS = ("32-true", "bf16-mixed")
# Families that have densities of angles.
ANGULAR = ("gmm", "vae", "nice", "nsf", "cnf", "flow-matching")
OF_ANGLES = ("torus", "cylinder")
FULL = os.environ.get("GENLAB_FULL") == "1"
CASES = [
    (family, kind, precision)
    for row, family in enumerate(FAMILIES)
    for column, kind in enumerate(KINDS)
    for number, precision in enumerate(PRECISIONS)
    if FULL or (row + column + number) % 2 == 0
    if family in ANGULAR or kind not in OF_ANGLES
    if FULL or kind not in FORMATS or (row + FORMATS.index(kind)) % 4 == 0
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same rows in every format, and with images."""
    folder = tmp_path_factory.mktemp("kinds")
    rows = np.random.default_rng(0).normal(size=(100, 3))
    rows[:, 1] += rows[:, 0] ** 2
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    table.to_csv(folder / "rows.csv", index=False)
    table.to_parquet(folder / "rows.parquet")
    np.save(folder / "rows.npy", rows)
    np.savez(folder / "rows.npz", x=rows)
    write_images(folder / "images", 100)
    return folder


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str, str], str]]:
    """What came of each case; printed in the end."""
    outcomes: dict[tuple[str, str, str], str] = {}
    yield outcomes
    for (family, kind, precision), outcome in outcomes.items():
        print(f"{family:14} {kind:12} {precision:11} {outcome}")


def words(family: str, kind: str, precision: str) -> list[str]:
    network = UNET if kind in ("digits", "labelled", "folder") else MLP
    return [
        f"model={family}",
        *SIZES.get(family, ()),
        *(network if family in ("cnf", "flow-matching") else ()),
        *KINDS[kind],
        *(["data.train_size=64"] if family == "gmm" and kind in ("toy", "torus") else ()),
        *(["observation=von_mises"] if (family, kind) == ("vae", "cylinder") else ()),
        f"trainer.precision={precision}",
        "trainer.max_steps=2",
        "trainer.val_every=2",
        "trainer.log_every=1",
        "trainer.accelerator=cpu",
        "callbacks=none",
        "logger=none",
    ]


def trained(folder: Path, overrides: list[str]) -> Training:
    """Two steps and a validation, as `Training.fit` takes them, without tests and figures."""
    run = experiment(*overrides)
    run.initialise()
    trainer = make_trainer(run.settings, folder=folder, loggers=[], callbacks=[])
    trainer.fit(run.module, datamodule=run.data)
    assert trainer.callback_metrics["val/loss"].isfinite()
    return run


@pytest.mark.parametrize(("family", "kind", "precision"), CASES)
def test_a_family_learns_a_kind_of_data(
    family: str,
    kind: str,
    precision: str,
    folder: Path,
    tmp_path: Path,
    outcomes: dict[tuple[str, str, str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    outcomes[family, kind, precision] = "fails"
    run = trained(tmp_path, words(family, kind, precision))
    assert run.module.step == 2
    draw = torch.Generator().manual_seed(0)
    with inference(run.model, draw):
        test = run.data.test
        context = None if test.context is None else test.context[:4]
        assert log_probs(run.model, test.x[:4], context).isfinite().all()
        x = draw_samples(run.model, 4, context, generator=draw)
        assert x.shape == (4, *run.data.event_shape)
        assert x.isfinite().all()
    outcomes[family, kind, precision] = "trains"
