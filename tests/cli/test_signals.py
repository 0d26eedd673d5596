"""SIGTERM is heard within two seconds, whatever goes on, and nothing half-made is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from genlab.runs.directory import RunDirectory
from genlab.runs.find import find_runs
from genlab.runs.status import read_status

pytestmark = pytest.mark.slow

PDE = """\
import torch

box = [[0, 1]] * 8


def residual(x, u):
    return u.laplacian


def boundary(x):
    return torch.sin(x.sum(1))
"""
LONG = ("trainer.accelerator=cpu", "logger=none", "callbacks=none")
# By the line behind which they are stopped, and how much later.
CASES = {
    "the lift of a hard boundary": (
        ("solve", "problem=custom", "problem.file=pde.py", "problem.dim=8", "pinn.boundary=hard"),
        "note: pinn.boundary=hard: its lift takes 6,560 boundary values at each point",
        2.0,
    ),
    "the preparation of a residual": (
        ("train", "model=nice", "data=pinn_residual", "data.steps=100000"),
        "training a network for its residual ...",
        0.5,
    ),
}


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, tuple[Path, subprocess.Popen[str]]]]:
    """All cases, started together: most of their time are imports."""
    started = {}
    for name, (words, _, _) in CASES.items():
        folder = tmp_path_factory.mktemp("signals")
        (folder / "pde.py").write_text(PDE)
        command = [sys.executable, "-m", "genlab", *words, *LONG]
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        started[name] = (folder, process)
    yield started
    for _, process in started.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", CASES)
def test_sigterm_is_heard(
    name: str, processes: dict[str, tuple[Path, subprocess.Popen[str]]]
) -> None:
    _, line, later = CASES[name]
    folder, process = processes[name]
    assert process.stderr is not None
    shown = process.stderr
    assert any(text.startswith(line) for text in shown)
    time.sleep(later)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert any("stopped by SIGTERM" in text for text in shown)
    assert time.monotonic() - began < 2
    assert process.wait() == 128 + signal.SIGTERM
    runs = [found.path for found in find_runs(folder / "outputs")]
    if name.startswith("the preparation"):
        assert runs == []
        assert list((folder / "outputs").glob("*/*")) == []
    else:
        (path,) = runs
        assert read_status(RunDirectory(path))["state"] == "interrupted"
