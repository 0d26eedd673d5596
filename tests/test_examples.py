"""The examples run, and say what they promise."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The names that an example's file defines, to be called where nothing of anybody's lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    return lambda name: vars(importlib.import_module(name))


def test_a_bijection_of_ones_own_has_the_jacobian_that_it_says(example: Any) -> None:
    own = example("own_bijection")
    assert own["check"](own["SinhArcsinh"](3), 3) < 1e-10


@pytest.mark.slow
def test_own_bijection(example: Any) -> None:
    lacking = example("own_bijection")["main"]()
    assert abs(lacking["Bent"]) < 0.02
    assert lacking["GMM"] > 0.1


@pytest.mark.slow
def test_own_loop(example: Any) -> None:
    lacking = example("own_loop")["main"](steps=400)
    assert 0 < lacking["realnvp"] < 0.3
    assert 0 < lacking["flow-matching"] < 1


@pytest.mark.slow
def test_bayesian_inverse(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    own = example("bayesian_inverse")
    flows = own["main"](steps=500)
    told = capsys.readouterr().out
    assert told.count("SBC") == told.count("TARP") == 2
    assert {path.name for path in Path("outputs/examples").iterdir()} == {
        "calibration-20000.png",
        "calibration-200.png",
    }
    observed = torch.tensor([[1.0, 0.0, 0.5]])
    exact = own["exact_posterior"](observed)
    draws = flows["20000 simulations"].sample(5000, observed)
    assert (draws.mean(0) - exact.mean[0]).abs().max() < 0.1
    assert (draws.std(0) / exact.stddev[0] - 1).abs().max() < 0.15


@pytest.mark.slow
def test_an_exported_posterior(tmp_path: Path) -> None:
    # In a process of its own: the tests' checks of shapes fail for the symbols of an export.
    code = """
import pathlib, torch, bayesian_inverse as own
flow = own.learn(500, 20, torch.Generator().manual_seed(0))
program = own.exported(flow, pathlib.Path())
torch.manual_seed(3)
noise = torch.randn(50, 2)
torch.manual_seed(3)
drawn = flow.sample(50, own.OBSERVED)
torch.testing.assert_close(program(noise, own.OBSERVED.expand(50, 3)), drawn, atol=1e-4, rtol=1e-4)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
