"""Runs below a working folder of the test's own, and a stand-in for the objects behind them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from synthetic import plain_data

import genlab
from genlab.assembly import DensityImages
from genlab.config.keys import Keys
from genlab.densities import Density, StandardNormal
from genlab.runs.directory import RunDirectory
from genlab.runs.files import write_json
from genlab.runs.manifest import write_manifest
from genlab.runs.status import write_status

CONFIG = {
    "model": {"layers": 8, "hidden": [64, 64]},
    "data": {"batch_size": 512},
    "trainer": {
        "max_steps": 100,
        "patience": None,
        "ema": None,
        "accelerator": "cpu",
        "devices": 1,
        "num_nodes": 1,
    },
    "choices": {"model": "realnvp", "data": "moons"},
    "seed": 0,
    "outputs": "outputs",
}


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunDirectory]:
    """Makes a finished run of a given name below ``outputs``, seen from its parent."""
    monkeypatch.chdir(tmp_path)

    def make(name: str = "run", **metrics: float | None) -> RunDirectory:
        run = RunDirectory.create(Path("outputs") / name)
        write_manifest(
            run, config=CONFIG, model="realnvp", data="moons", likelihood="exact", threads=1
        )
        # YAML is a superset of JSON.
        write_json(run.config, CONFIG)
        write_json(run.metrics, metrics)
        run.best.write_bytes(b"")
        run.last.write_bytes(b"")
        write_status(run, "done", step=100)
        return run

    return make


@pytest.fixture
def assembly(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """In place of ``genlab.assembly``: every run is a standard normal in the plane."""
    module = ModuleType("genlab.assembly")
    model: Density = StandardNormal((2,))
    data = plain_data()
    metrics = {"test/nll": 2.5, "test/nll/se": 0.01}
    experiment = SimpleNamespace(
        model=model, density=model, data=data, keys=Keys({}), test=lambda: metrics
    )
    module.load = lambda path: experiment
    module.DensityImages = DensityImages  # which configurations name
    monkeypatch.setitem(sys.modules, "genlab.assembly", module)
    monkeypatch.setattr(genlab, "assembly", module, raising=False)
    torch.manual_seed(0)
    return module
