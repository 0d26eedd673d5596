"""Runs for other programs: as JSON and as a DataFrame."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from synthetic import synthetic_run

import genlab
from genlab.cli.main import main
from genlab.errors import UserError
from genlab.runs.labels import add_note, add_tags

Capture = pytest.CaptureFixture[str]
OF_A_RUN = {
    *("run", "state", "error", "created", "started", "ended", "step", "model", "data"),
    *("likelihood", "seed", "tags", "notes", "settings", "metrics"),
}


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seeds of a model, one of another, one run that failed, one that is torn."""
    monkeypatch.chdir(tmp_path)
    for name, model, seed, kl in (
        ("a", "nsf", 0, 0.1),
        ("b", "nsf", 1, 0.3),
        ("c", "nice", 0, 0.5),
    ):
        metrics = {"test/kl": kl, "test/kl/se": 0.01, "test/w2": None}
        synthetic_run(Path("outputs") / name, model=model, seed=seed, metrics=metrics)
    add_tags(synthetic_run(Path("outputs") / "lost", seed=2, state="failed"), ["lost"])
    synthetic_run(Path("outputs") / "torn").manifest.write_text("{")
    return tmp_path / "outputs"


def strict(text: str) -> Any:
    """JSON, without the words that are none."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_all_commands_have_one_shape(outputs: Path, capsys: Capture) -> None:
    shown = []
    for words in (["list", "runs"], ["show", "a"], ["compare"]):
        assert main([*words, "--json"]) == 0
        shown.append(strict(capsys.readouterr().out))
    listed, one, compared = shown
    for answer in shown:
        assert {"runs", "notes"} <= answer.keys()
        assert all(run.keys() == OF_A_RUN for run in answer["runs"])
    assert [run["run"] for run in listed["runs"]] == [
        f"outputs/{n}" for n in ("a", "b", "c", "lost")
    ]
    assert listed["notes"][0].startswith("unreadable: outputs/torn/run.json")
    assert one["runs"] == listed["runs"][:1]
    assert one["runs"][0]["settings"]["model.hidden"] == [64, 64]
    assert one["runs"][0]["metrics"] == {"test/kl": 0.1, "test/kl/se": 0.01, "test/w2": None}
    assert len(compared["runs"]) == 3
    nice, nsf = compared["rows"]
    assert nsf["settings"] == {"model": "nsf", "data": "moons"}
    assert nsf["runs"] == ["outputs/a", "outputs/b"]
    assert nsf["metrics"]["test/kl"] == {
        "mean": pytest.approx(0.2),
        "sd": pytest.approx(0.02**0.5),
        "se": None,
    }
    assert nice["metrics"]["test/kl"] == {"mean": 0.5, "sd": None, "se": 0.01}
    assert nice["metrics"]["test/w2"]["mean"] is None


def test_json_of_no_runs_and_with_what_does_not_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["list", "runs"], ["compare"], ["list", "runs", "--where", "state=done"]):
        assert main([*words, "--json"]) == 0
        assert strict(capsys.readouterr().out)["runs"] == []
    none = genlab.runs(where="state=done")
    assert none.empty
    assert {*none} == OF_A_RUN - {"settings", "metrics"}
    assert none["created"].dtype.kind == "M"
    assert main(["list", "models", "--json"]) == 2
    assert main(["compare", "--json", "--csv"]) == 2


def test_a_frame_has_a_row_a_run_and_a_column_a_setting(outputs: Path) -> None:
    add_note(genlab.runs.directory.RunDirectory(outputs / "a"), "the first")
    with pytest.warns(UserWarning, match="unreadable: outputs/torn/run.json"):
        frame = genlab.runs()
    assert list(frame["run"]) == [f"outputs/{name}" for name in ("a", "b", "c", "lost")]
    assert list(frame["test/kl"][:3]) == [0.1, 0.3, 0.5]
    assert list(frame["optimizer.lr"]) == [1e-3, 1e-3, 5e-4, 1e-3]
    assert frame["created"].dt.year.eq(2026).all()
    assert frame["notes"][0][0]["text"] == "the first"
    assert frame.groupby("model")["test/kl"].mean()["nsf"] == pytest.approx(0.2)
    with pytest.warns(UserWarning, match="unreadable"):
        chosen = genlab.runs("outputs", where=["model=nsf", "tag=lost"])
    assert list(chosen["run"]) == ["outputs/lost"]
    with pytest.raises(UserError, match="nowhere: no such folder"):
        genlab.runs("nowhere")


def test_a_frame_costs_no_torch(outputs: Path) -> None:
    script = (
        "import sys, warnings; warnings.simplefilter('ignore'); import genlab; "
        "assert len(genlab.runs()) == 4; assert not {'torch', 'lightning'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
