"""Runs as a library: shown, told apart, made again, and removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from genlab.cli.main import main
from genlab.config.compose import compose
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.status import write_status

Capture = pytest.CaptureFixture[str]
MakeRun = Callable[..., RunDirectory]


def test_show(make_run: MakeRun, capsys: Capture) -> None:
    run = make_run("a", **{"test/kl": 0.01234, "test/kl/se": 0.0007})
    (run.figures / "density.png").touch()
    assert main(["show", "latest"]) == 0
    shown = capsys.readouterr().out
    for text in (
        "run         outputs/a\n",
        "state       done at step 100, of 100\n",
        "choices     data=moons model=realnvp\n",
        ", 1 thread\n",
        "figures     outputs/a/figures: density\n",
        "test/kl  0.01234 +- 0.00070",
    ):
        assert text in shown
    assert main(["show", "a", "--config"]) == 0
    assert "model.hidden=[64,64]\nmodel.layers=8\n" in capsys.readouterr().out


def test_show_says_why_a_run_failed_and_how_to_go_on(make_run: MakeRun, capsys: Capture) -> None:
    write_status(make_run("a"), "failed", step=7, error="RunError: lost\ntry less")
    write_status(make_run("b"), "interrupted", step=8)
    assert main(["show", "a"]) == main(["show", "b"]) == 0
    shown = capsys.readouterr().out
    assert "error       RunError: lost; try less" in shown
    assert "go on with  genlab resume outputs/b" in shown


def test_diff(make_run: MakeRun, capsys: Capture) -> None:
    make_run("a", **{"test/kl": 0.5, "test/nll": 2.0})
    other = make_run("b", **{"test/kl": 0.25, "test/kl/se": 0.01, "test/nll": 2.0})
    manifest = read_json(other.manifest)
    manifest["config"] |= {"model.hidden": [8], "model.bins": 4}
    write_json(other.manifest, {**manifest, "genlab": "9.9"})
    assert main(["diff", "a", "b"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[2:] == [
        ["model.bins", "4"],
        ["model.hidden", "[64,64]", "[8]"],
        ["genlab", read_json(RunDirectory(Path("outputs/a")).manifest)["genlab"], "9.9"],
        ["test/kl", "0.5", "0.250", "+-", "0.010"],
    ]
    assert main(["diff", "a", "a"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    count = len(read_json(RunDirectory(Path("outputs/a")).manifest)["config"])
    assert last == f"they agree in all {count} settings, in versions, and in all 2 metrics"


def test_clean_removes_what_it_is_told_to(make_run: MakeRun, capsys: Capture) -> None:
    for name, state in (("a", "failed"), ("b", "done"), ("c", "interrupted"), ("d", "failed")):
        write_status(make_run(f"day/{name}"), state)
    make_run("torn").status.write_text("{")
    assert main(["clean"]) == 2
    assert main(["clean", "--failed", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "would remove failed outputs/day/a",
        "would remove failed outputs/day/d",
    ]
    assert main(["clean", "--failed", "outputs/day/a", "outputs"]) == 0
    assert main(["clean", "--failed"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no failed runs"
    assert sorted(
        path.name for path in Path("outputs").glob("*/*") if path.parent.name == "day"
    ) == [
        "b",
        "c",
    ]
    assert main(["clean", "--interrupted", "nowhere"]) == 2


def test_rerun(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    run = make_run("a")
    config = compose("train", ["model=nice", "model.layers=3", f"outputs={tmp_path / 'outputs'}"])
    OmegaConf.save(config, run.config)
    done: list[tuple[DictConfig, RunDirectory]] = []
    monkeypatch.setattr("genlab.cli.run.fit", lambda config, run, **_: done.append((config, run)))
    assert main(["rerun", "a"]) == main(["rerun", "a", "seed=4"]) == 0
    (same, first), (other, second) = done
    assert same == config
    assert (other.seed, other.model.layers) == (4, 3)
    assert len({run.path, first.path.absolute(), second.path.absolute()}) == 3
    assert main(["rerun", "a", "model.layrs=1"]) == 2
    assert "did you mean 'layers'" in capsys.readouterr().err
