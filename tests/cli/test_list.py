"""``genlab list``: what can be chosen, and which runs there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from genlab.cli.main import main
from genlab.cli.options import choices, groups
from genlab.config import config_dir
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.metrics import METRICS
from genlab.runs.status import write_status

Capture = pytest.CaptureFixture[str]
MakeRun = Callable[..., RunDirectory]


def test_groups_and_descriptions_are_read_as_text(tmp_path: Path) -> None:
    for name in ("optimizer", "model", "hydra", "kind", "preset", ".git", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "train.yaml").touch()
    (tmp_path / "data" / "moons.yaml").write_text("# Two half circles.\n# More.\ntarget: 1\n")
    (tmp_path / "data" / "debug.yaml").write_text("# @package _global_\n# A few steps.\n")
    (tmp_path / "data" / "bare.yaml").write_text("target: 1\n# too late\n")
    (tmp_path / "data" / "_toy.yaml").write_text("# All toys.\nsize: 1\ntarget: ???\n")
    assert groups(tmp_path) == ["model", "data", "optimizer"]
    assert choices(tmp_path, "data") == {
        "bare": "",
        "debug": "A few steps.",
        "moons": "Two half circles.",
    }


def test_every_choice_is_described() -> None:
    folder = config_dir()
    bare = [
        f"{group}={name}"
        for group in groups(folder)
        for name, text in choices(folder, group).items()
        if not text
    ]
    assert bare == []


@pytest.mark.parametrize("word", ["model", "models"])
def test_one_group_in_singular_or_plural(word: str, capsys: Capture) -> None:
    assert main(["list", word]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "model="
    assert any(line.split()[0] == "realnvp" for line in lines)
    assert "optimizer=" not in lines


def test_metrics_with_units_and_the_better_side(capsys: Capture) -> None:
    assert main(["list", "metrics"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["test/kl", "nats", "lower", "is", "better"]
    assert len(lines) == len(METRICS)


def test_all_groups(capsys: Capture) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith("=")] == [
        f"{group}=" for group in groups(config_dir())
    ]


def test_an_unknown_group(capsys: Capture) -> None:
    assert main(["list", "modle"]) == 2
    assert "list modle: no such group; did you mean 'model'?" in capsys.readouterr().err


def test_runs_in_the_order_they_were_made(make_run: MakeRun, capsys: Capture) -> None:
    make_run("z", **{"test/kl": 0.01234, "test/kl/se": 0.0007, "test/nll": 1.0})
    make_run("day/a", **{"test/kl": None, "test/nll": 2.5})
    make_run("b")
    write_status(make_run("c"), "failed", error="the loss is NaN")
    assert main(["list", "runs"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["started", "state", "model", "data", "metric", "value", "run"]
    cells = [line.split()[2:] for line in lines]
    assert cells == [
        ["done", "realnvp", "moons", "test/kl", "0.01234", "+-", "0.00070", "outputs/z"],
        ["done", "realnvp", "moons", "test/nll", "2.5", "outputs/day/a"],
        ["done", "realnvp", "moons", "outputs/b"],
        ["failed", "realnvp", "moons", "outputs/c"],
    ]


def test_data_of_files_go_by_them(make_run: MakeRun, capsys: Capture) -> None:
    for name, path in (("a", "/x/mine.csv"), ("b", "/y/mine.csv"), ("c", "/y/other.csv")):
        manifest = read_json(make_run(name).manifest)
        manifest["config"] |= {"data.path": path, "data.checksums": [name * 16]}
        write_json(RunDirectory(Path("outputs") / name).manifest, manifest | {"data": "table"})
    make_run("d")
    assert main(["list", "runs"]) == 0
    found = {line.split()[-1][-1]: line.split()[4] for line in capsys.readouterr().out.splitlines()}
    del found["n"]
    assert found == {
        "a": "table:x/mine.csv",
        "b": "table:y/mine.csv",
        "c": "table:other.csv",
        "d": "moons",
    }


def test_bounds_and_estimates_are_told_from_exact_values(
    make_run: MakeRun, capsys: Capture
) -> None:
    metrics = {"test/kl": 0.01234, "test/kl/se": 0.0007}
    for name, likelihood in (("a", "lower_bound"), ("b", "estimate")):
        run = make_run(name, **metrics)
        write_json(run.manifest, {**read_json(run.manifest), "likelihood": likelihood})
    assert main(["list", "runs"]) == 0
    shown = capsys.readouterr().out
    assert "test/kl  <= 0.01234 +- 0.00070  outputs/a" in shown
    assert "test/kl  ~ 0.01234 +- 0.00070   outputs/b" in shown


def test_torn_runs_are_listed_and_do_no_harm(make_run: MakeRun, capsys: Capture) -> None:
    make_run("good")
    make_run("torn").manifest.write_text("{")
    other = make_run("other")
    write_json(other.manifest, {**read_json(other.manifest), "format": 99})
    make_run("stateless").status.unlink()
    assert main(["list", "runs"]) == 0
    shown = capsys.readouterr().out
    assert "done" in shown
    unreadable = [line for line in shown.splitlines() if line.startswith("unreadable: ")]
    assert len(unreadable) == 3
    assert all(f"outputs/{name}" in shown for name in ("torn", "other", "stateless"))


def test_runs_elsewhere_and_nowhere(make_run: MakeRun, capsys: Capture) -> None:
    make_run("day/a")
    assert main(["list", "runs", "outputs/day"]) == 0
    assert "outputs/day/a" in capsys.readouterr().out
    assert main(["list", "runs", "nowhere"]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_no_runs_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list", "runs"]) == 0
    assert "no runs below outputs" in capsys.readouterr().out
