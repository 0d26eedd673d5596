"""``genlab compare A B --paired``: runs on the same test rows, and what cannot be compared."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from synthetic import synthetic_run

from genlab.batch import Batch
from genlab.bijections import Standardise
from genlab.cli.main import main
from genlab.config.keys import Keys
from genlab.densities import Density, StandardNormal
from genlab.targets import Moons

Capture = pytest.CaptureFixture[str]

X = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
# log N(x | 0, s^2 I) - log N(x | 0, I)
SCALE = 1.2
DIFFERENCE = -2 * math.log(SCALE) + 0.5 * X.double().square().sum(1) * (1 - SCALE**-2)


def normal(scale: float) -> Density:
    model = StandardNormal((2,))
    units = Standardise((2,))
    units.log_scale.fill_(math.log(scale))
    model.preprocessing = units
    return model


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three runs on the same rows, by their folders' names; the last two hardly differ."""
    monkeypatch.chdir(tmp_path)
    runs = {}
    for number, (name, scale) in enumerate((("true", 1.0), ("wide", SCALE), ("twin", 1.0001))):
        created = f"2026-01-0{9 - number}T00:00:00+00:00"
        synthetic_run(Path("outputs") / name, model="nsf", metrics={}, created=created)
        data = SimpleNamespace(test=Batch(X), target=None, test_groups=None)
        runs[name] = SimpleNamespace(density=normal(scale), data=data, keys=Keys({}))
    monkeypatch.setattr("genlab.assembly.load", lambda path: runs[path.name])
    return runs


def test_each_run_is_compared_with_the_first_on_the_rows_of_both(
    loaded: dict[str, Any], capsys: Capture
) -> None:
    assert main(["compare", "outputs/true", "wide", "outputs/twin", "--paired", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, wide, twin = found["rows"]
    assert [row["run"] for row in found["rows"]] == [f"outputs/{name}" for name in loaded]
    assert (first["difference"], first["won"], first["verdict"]) == (0, 0.5, None)
    assert wide["difference"] == pytest.approx(DIFFERENCE.mean().item(), abs=1e-5)
    assert wide["difference/se"] == pytest.approx(DIFFERENCE.std().item() / 4000**0.5, rel=1e-3)
    assert wide["won"] == pytest.approx((DIFFERENCE > 0).double().mean().item(), abs=1e-3)
    assert (wide["verdict"], twin["verdict"]) == ("worse", "not told apart")
    assert found["test_rows"] == 4000
    assert "another seed" in found["notes"][0]


def test_a_folder_stands_for_its_finished_runs_as_they_began(
    loaded: dict[str, Any], capsys: Capture
) -> None:
    synthetic_run(Path("outputs/lost"), state="failed")
    assert main(["compare", "--paired"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "nll", "difference", "won", "verdict"]
    assert [row.split()[0] for row in rows[:3]] == ["outputs/twin", "outputs/wide", "outputs/true"]
    assert rows[0].endswith("the first")
    assert rows[1].endswith("worse")
    assert rows[2].endswith("not told apart")
    assert rows[3] == "4000 test rows"


def test_another_program_gets_plain_columns(loaded: dict[str, Any], capsys: Capture) -> None:
    assert main(["compare", "true", "wide", "--paired", "--csv"]) == 0
    shown = capsys.readouterr()
    header, _, row = shown.out.splitlines()
    assert header == "run,nll,nll/se,difference,difference/se,won,won/se,verdict"
    assert float(row.split(",")[3]) == pytest.approx(DIFFERENCE.mean().item(), abs=1e-5)
    assert "4000 test rows" in shown.err
    assert main(["compare", "true", "wide", "--paired", "--latex"]) == 0
    assert r"\pm" in capsys.readouterr().out


def test_a_bound_is_called_one(loaded: dict[str, Any], capsys: Capture) -> None:
    synthetic_run(Path("outputs/vae"), model="vae", likelihood="lower_bound", metrics={})
    loaded["vae"] = loaded["wide"]
    assert main(["compare", "true", "vae", "--paired"]) == 0
    shown = capsys.readouterr().out
    assert "≤ " in shown
    assert "log p of outputs/vae is a lower bound" in shown


def test_what_cannot_be_compared_is_refused(loaded: dict[str, Any], capsys: Capture) -> None:
    synthetic_run(Path("other/rings"), data="rings", metrics={})
    synthetic_run(Path("other/solve"), command="solve", metrics={})
    synthetic_run(Path("other/lost"), state="failed")
    for words, message in (
        (["true"], "--paired: expected two finished runs or more, got 1"),
        (["true", "true"], "--paired: expected two finished runs or more, got 1"),
        (["true", "tru"], "tru: no such run; did you mean"),
        (["true", "other/rings"], "tested on other rows than outputs/true: data=rings, not moons"),
        (["true", "other/solve"], "other/solve is a solve, which has no test rows"),
        (["true", "other/lost"], "other/lost is failed; expected finished runs"),
        (["true", "wide", "--sort", "test/kl"], "--paired goes with runs, --where and a format"),
    ):
        assert main(["compare", *words, "--paired"]) == 2
        assert message in capsys.readouterr().err


def test_rows_that_have_changed_are_noticed(loaded: dict[str, Any], capsys: Capture) -> None:
    for own, message in (
        (Batch(X + 1), "the test rows of outputs/wide are others than those of outputs/true"),
        (Batch(X, torch.zeros(4000, 1)), "the test rows of outputs/wide are others"),
        (None, "outputs/wide has kept no rows to test on"),
    ):
        loaded["wide"].data.test = own
        assert main(["compare", "true", "wide", "--paired"]) == 2
        assert message in capsys.readouterr().err
    loaded["wide"].data = SimpleNamespace(test=Batch(X + 1), target=Moons(), test_groups=None)
    assert main(["compare", "true", "wide", "--paired", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][1]["difference"] == pytest.approx(DIFFERENCE.mean().item(), abs=1e-5)
    assert found["notes"][1].startswith("test rows: the fresh samples of the target")
    loaded["wide"].data = SimpleNamespace(test=Batch(X.double()), target=None, test_groups=None)
    assert main(["compare", "true", "wide", "--paired"]) == 0
