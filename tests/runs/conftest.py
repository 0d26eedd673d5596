"""A run directory as a training leaves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from genlab.runs.directory import RunDirectory
from genlab.runs.manifest import write_manifest
from genlab.runs.status import write_status

CONFIG = {
    "model": {"layers": 8, "hidden": [64, 64]},
    "trainer": {"max_steps": 100},
    "outputs": "outputs",
}


@pytest.fixture
def make_run() -> Callable[[Path], RunDirectory]:
    """Makes a finished run in a given folder."""

    def make(path: Path) -> RunDirectory:
        run = RunDirectory.create(path)
        write_manifest(
            run, config=CONFIG, model="realnvp", data="moons", likelihood="exact", threads=1
        )
        write_status(run, "done", step=100)
        return run

    return make
