"""Sweeps: what is run and what is left out, what is told of each job, and what survives."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import DictConfig

from genlab.cli import launch
from genlab.cli import run as run_module
from genlab.cli.main import main
from genlab.config.compose import compose
from genlab.config.stored import plain
from genlab.errors import RunError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.manifest import write_manifest
from genlab.runs.status import write_status
from genlab.runs.sweep import Job

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Instead of training, leave a finished run and note its seed; seed 13 fails."""
    done: list[int] = []

    def fit(config: DictConfig, run: RunDirectory, **_: object) -> dict[str, float | None]:
        print("the output of a job")
        if config.seed == 13:
            raise RunError("the loss became nan\ntry less")
        names = {"model": config.choices.model, "data": config.choices.data}
        write_manifest(run, config=plain(config), likelihood="exact", threads=1, **names)
        write_json(run.metrics, {"test/kl": config.seed / 100, "test/kl/se": 0.001})
        write_status(run, "done", step=1)
        done.append(config.seed)
        return {"val/loss": 1.0}

    monkeypatch.setattr(run_module, "fit", fit)
    monkeypatch.chdir(tmp_path)
    return done


def rows(shown: str) -> list[list[str]]:
    return [line.split() for line in shown.splitlines()]


def test_a_failure_is_told_at_once_and_the_table_has_all(fits: list[int], capsys: Capture) -> None:
    assert main(["train", "-m", "model=nice,realnvp", "seed=12,13"]) == 1
    shown = capsys.readouterr()
    title, header, *table = shown.out.splitlines()
    assert title.startswith("sweep ")
    assert header.split() == ["job", "what", "differs", "state", "metric", "value", "time"]
    # All but the time, which is that of a loaded machine.
    assert [line.split()[:-1] for line in table if line[0].isdigit()] == [
        ["0", "model=nice", "seed=12", "done", "test/kl", "0.1200", "+-", "0.0010"],
        ["1", "model=nice", "seed=13", "failed"],
        ["2", "model=realnvp", "seed=12", "done", "test/kl", "0.1200", "+-", "0.0010"],
        ["3", "model=realnvp", "seed=13", "failed"],
    ]
    assert table[2].strip() == "the loss became nan; try less"
    assert "[2/4] job 1 failed: the loss became nan; try less  (model=nice seed=13)" in shown.err
    assert shown.err.splitlines()[-1].startswith("genlab: 2 of 4 jobs came to nothing; the same")
    assert "the output of a job" not in shown.out
    (console,) = Path("outputs").glob("*/*-sweep/0/console.log")
    assert console.read_text() == "the output of a job\n"


def test_a_sweep_of_the_same_second_is_none_of_its_own(
    fits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    now = Path("outputs/2026-01-01/00-00-00-sweep")
    monkeypatch.setattr("genlab.cli.sweep.dated", lambda *_: now)
    words = ["train", "-m", "seed=1,2", "sweep.skip_done=true"]
    assert main(words) == 0
    assert main([*words, "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[-1] for line in told] == [f"{now / str(number)})" for number in (0, 1)]
    assert main(words) == 0
    assert fits == [1, 2]


def test_the_same_again_runs_only_what_is_missing(fits: list[int], capsys: Capture) -> None:
    assert main(["train", "-m", "seed=1,13"]) == 1
    words = ["train", "-m", "seed=1,13,2", "sweep.skip_done=true"]
    assert main([*words, "--dry-run"]) == 0
    listing = capsys.readouterr().out.splitlines()[-4:]
    assert listing[0] == "3 jobs, 2 to run"
    assert listing[1].startswith("   0  seed=1  (done in outputs/")
    assert listing[2:] == ["   1  seed=13", "   2  seed=2"]
    assert main(words) == 1
    assert fits == [1, 2]
    assert "skipped  test/kl  0.0100" in capsys.readouterr().out
    assert main(["train", "-m", "seed=1,2", "sweep.skip_done=true"]) == 0
    assert fits == [1, 2]


def test_after_a_failure_no_other_job_begins(fits: list[int], capsys: Capture) -> None:
    assert main(["train", "-m", "seed=1,13,2,3", "sweep.fail_fast=true"]) == 1
    assert fits == [1]
    assert capsys.readouterr().out.count("not run") == 2


OWN = {
    "sweep/s1": "hydra: {sweeper: {params: {seed: '1,2'}}}",
    "sweep/s2": "hydra: {sweeper: {params: {seed: '7,8,9'}}}",
    "sweep/both": "hydra: {sweeper: {params: {experiment: 'sw,plain', seed: '4,5'}}}",
    "experiment/sw": "hydra: {sweeper: {params: {seed: '1,2,3'}}}",
    "experiment/mode": "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '1,2'}}}",
    "experiment/plain": "trainer: {max_steps: 20}",
    "experiment/skips": "sweep: {skip_done: true}",
    "experiment/jl": "defaults: [override /hydra/launcher: joblib]",
    "experiment/table": (
        "defaults: [override /data: table, override /model: gmm]\n"
        "hydra: {sweeper: {params: {data.path: 'one.csv,two.csv'}}}"
    ),
}


@pytest.fixture
def conf(fits: list[int], tmp_path: Path) -> str:
    """The folder of a user whose files hold sweeps."""
    for name, text in OWN.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n# A user's own.\n{text}\n")
    return str(tmp_path / "conf")


def planned_jobs(conf: str, capsys: Capture, *words: str) -> list[str]:
    assert main(["train", "--config-dir", conf, *words, "--dry-run"]) == 0
    return [line[6:] for line in capsys.readouterr().out.splitlines()[1:]]


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (
            "-m +sweep=s1,s2",
            ["s1 seed=1", "s1 seed=2", "s2 seed=7", "s2 seed=8", "s2 seed=9"],
        ),
        ("-m experiment=plain,sw", ["plain", "sw seed=1", "sw seed=2", "sw seed=3"]),
        ("-m experiment=plain,sw seed=6", ["plain", "sw"]),
        # A sweep that is appended counts more than a recipe, for all that it says.
        ("-m +sweep=s1 experiment=plain,sw", ["1 plain", "1 sw", "2 plain", "2 sw"]),
        ("-m +sweep=s1,s2 seed=4", ["s1", "s2"]),
        ("+sweep=both", ["4 sw", "5 sw", "4 plain", "5 plain"]),
        ("experiment=mode", ["1", "2"]),
        ("experiment=mode model=nice,gmm", ["1 nice", "1 gmm", "2 nice", "2 gmm"]),
        ("-m model=nice,gmm experiment=mode", ["1 nice", "1 gmm", "2 nice", "2 gmm"]),
    ],
)
def test_a_file_that_one_of_several_values_chooses_may_hold_a_sweep(
    conf: str, capsys: Capture, words: str, jobs: list[str]
) -> None:
    told = planned_jobs(conf, capsys, *words.split())
    values = [sorted(word.partition("=")[2] for word in job.split()) for job in told]
    assert values == [sorted(re.sub(r"\w+=", "", job).split()) for job in jobs]


def test_what_a_files_sweep_sets_may_be_missing_without_it(
    conf: str, capsys: Capture, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("x\n" + "1.0\n2.5\n3.0\n" * 20)
    told = planned_jobs(conf, capsys, "-m", "experiment=table,plain")
    assert told == [
        "experiment=table data.path=one.csv",
        "experiment=table data.path=two.csv",
        "experiment=plain",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-m experiment=plain,jl", "experiment=jl: sets hydra/launcher=joblib, which is one for"),
        ("-m experiment=skips,plain", "experiment=skips: sets sweep, which is one for all jobs"),
        ("experiment=plain model=nice,gmm", "model=nice,gmm: several values; add -m to run each"),
        ("experiment=plain --dry-run", "--dry-run: goes with -m, a sweep"),
        ("experiment=mode --run --dry-run", "--dry-run: goes with -m, a sweep"),
    ],
)
def test_what_one_job_cannot_have_is_refused(
    conf: str, fits: list[int], capsys: Capture, words: str, message: str
) -> None:
    assert main(["train", "--config-dir", conf, *words.split()]) == 2
    assert message in capsys.readouterr().err
    assert fits == []


def test_planning_may_take_longer_than_a_second(
    fits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The folder that a sweep would have now is named by the second."""
    names = iter(range(1000))
    monkeypatch.setattr("genlab.cli.hydra_app.dated", lambda *_: Path(f"at-{next(names)}"))
    assert main(["train", "-m", "seed=1,2,3", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("3 jobs, 3 to run")


def test_one_run_of_a_file_that_holds_a_sweep(conf: str, fits: list[int], capsys: Capture) -> None:
    assert main(["train", "--config-dir", conf, "experiment=mode"]) == 0
    assert main(["train", "--config-dir", conf, "experiment=mode", "--run"]) == 0
    assert main(["train", "--config-dir", conf, "experiment=mode", "hydra.mode=RUN"]) == 0
    assert fits == [1, 2, 0, 0]
    assert capsys.readouterr().err.count("note: what is chosen holds a sweep; -m runs it") == 2


def test_a_sweep_composes_each_job_twice(fits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once to check all of them before the first begins, and once by the launcher of Hydra."""
    composed: list[Sequence[str]] = []
    load = ConfigLoaderImpl._load_configuration_impl

    def counted(self: ConfigLoaderImpl, *rest: Any, **words: Any) -> DictConfig:
        composed.append(words["overrides"])
        return load(self, *rest, **words)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    assert main(["train", "-m", "seed=1,2,3", "model=nice"]) == 0
    assert fits == [1, 2, 3]
    assert len(composed) == 1 + 2 * 3


def test_a_disk_that_is_full_ends_a_sweep(
    fits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Neither how a job ended can be noted then, nor what Hydra writes of the next one."""
    fit = run_module.fit

    def full(config: DictConfig, run: RunDirectory, **how: Any) -> dict[str, float | None]:
        if config.seed == 2:
            error = OSError(errno.ENOSPC, "No space left on device")
            monkeypatch.setattr("genlab.runs.sweep.write_json", Mock(side_effect=RunError("full")))
            monkeypatch.setattr("hydra.core.utils._save_config", Mock(side_effect=error))
        return fit(config, run, **how)

    monkeypatch.setattr(run_module, "fit", full)
    assert main(["train", "-m", "seed=1,2,3", "hydra.sweep.dir=many"]) == 1
    shown = capsys.readouterr()
    assert [line.split()[2] for line in shown.out.splitlines()[2:]] == ["done", "killed", "not"]
    last = shown.err.splitlines()[-1]
    assert last == "genlab: nothing more can be written: No space left on device"


def test_jobs_are_launched_in_batches_of_the_size_that_is_asked_for(
    fits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    sizes = []
    together = launch._launch_batch

    def counted(config: object, make: object, sweep: object, jobs: list[Job], say: object) -> None:
        sizes.append(len(jobs))
        together(config, make, sweep, jobs, say)

    monkeypatch.setattr(launch, "_launch_batch", counted)
    words = ["train", "-m", "seed=1,2,3,4,5"]
    assert main([*words, "hydra.sweeper.max_batch_size=2"]) == 0
    assert main(words) == 0
    assert sizes == [2, 2, 1, 5]
    assert fits == [1, 2, 3, 4, 5] * 2
    assert main([*words, "hydra.sweeper.max_batch_size=0"]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[-1] == (
        "genlab: hydra.sweeper.max_batch_size=0: expected an integer, at least 1, or null"
    )


def test_a_saved_sweep_needs_no_flag_and_can_be_narrowed(fits: list[int]) -> None:
    assert main(["train", "+sweep=seeds"]) == 0
    assert fits == [0, 1, 2, 3, 4]
    assert main(["train", "+sweep=seeds", "seed=7,8", "model=nice"]) == 0
    assert fits[5:] == [7, 8]


def test_every_job_of_the_large_sweep_composes(fits: list[int], capsys: Capture) -> None:
    words = ["+sweep=all_models_all_toys", "data=moons", "seed=0", "--dry-run"]
    assert main(["train", *words]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "9 jobs, 9 to run"
    assert not Path("outputs").exists()


def test_an_interruption_ends_the_sweep_and_says_where_it_was(
    fits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupt(config: DictConfig, run: RunDirectory, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "fit", interrupt)
    assert main(["train", "-m", "seed=1,2"]) == 130
    states = [line.split()[2] for line in capsys.readouterr().out.splitlines()[2:]]
    assert states == ["interrupted", "not"]


def test_an_extra_that_is_not_installed(
    fits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    assert main(["train", "-m", "seed=1,2", "hydra/launcher=joblib"]) == 2
    assert "hydra/launcher=joblib: not installed; pip install 'genlab[parallel]'" in (
        capsys.readouterr().err
    )


def test_a_word_that_only_some_jobs_use_is_left_out_of_the_others(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["solve", "-m", "sampler=uniform,das", "model=gmm,nsf", "--dry-run"]) == 0
    count, *jobs = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert count == "3 jobs, 3 to run"
    assert jobs == ["0  sampler=uniform", "1  sampler=das model=gmm", "2  sampler=das model=nsf"]
    assert main(["solve", "-m", "sampler=uniform,rad", "model=gmm", "--dry-run"]) == 2
    shown = capsys.readouterr().err
    assert shown == "genlab: model=gmm: nothing uses it; UniformSampler learns no model\n"


def seeds_in(folder: Path) -> dict[str, int]:
    """The seed of the run in each numbered folder."""
    found = sorted(folder.glob("*/run.json"))
    return {path.parent.name: read_json(path)["config"]["seed"] for path in found}


@pytest.mark.parametrize(
    ("folder", "skip"), [("elsewhere/sweep", "true"), ("outputs/sweep", "false")]
)
def test_the_same_command_in_the_same_folder_goes_on(
    fits: list[int], folder: str, skip: str, capsys: Capture
) -> None:
    words = ["train", "-m", f"hydra.sweep.dir={folder}", f"sweep.skip_done={skip}"]
    assert main([*words, "seed=1,13"]) == 1
    assert main([*words, "seed=1,13", "--dry-run"]) == 0
    listed = capsys.readouterr().out.splitlines()[-3:]
    assert listed[0] == "2 jobs, 1 to run"
    assert listed[1].endswith(f"(done in {Path(folder).absolute()}/0)")
    assert main([*words, "seed=1,13"]) == 1
    assert fits == [1]
    shown = capsys.readouterr().out
    assert "skipped  test/kl  0.0100" in shown
    assert "1    seed=13       failed" in shown


def test_skip_done_looks_into_a_folder_outside_of_outputs(fits: list[int], capsys: Capture) -> None:
    assert main(["train", "-m", "seed=1,2", "hydra.sweep.dir=elsewhere/sweep"]) == 0
    words = ["train", "-m", "seed=1,2,3", "sweep.skip_done=true", "hydra.sweep.dir=elsewhere"]
    assert main(words) == 0
    assert fits == [1, 2, 3]
    assert main(["train", "-m", "seed=3,4", "sweep.skip_done=true"]) == 0
    assert fits == [1, 2, 3, 3, 4], "what lies elsewhere is not asked"


def test_another_sweep_in_the_same_folder_has_numbers_behind(
    fits: list[int], capsys: Capture
) -> None:
    words = ["train", "-m", "hydra.sweep.dir=here"]
    assert main([*words, "seed=1,2"]) == 0
    assert main([*words, "seed=3,2,4"]) == 0
    assert fits == [1, 2, 3, 4]
    assert seeds_in(Path("here")) == {"0": 1, "1": 2, "2": 3, "3": 4}
    table = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[-4:]]
    assert table[0] == ["2", "seed=3", "done"]
    assert table[1] == ["1", "seed=2", "skipped"]
    assert table[3] == ["3", "seed=4", "done"]
    assert main(["list", "runs", "here"]) == 0
    assert capsys.readouterr().out.count("here/") == 4
    assert Path("here/multirun-2.yaml").exists()


def test_a_stop_of_one_sweep_is_none_of_the_next(fits: list[int]) -> None:
    words = ["train", "-m", "hydra.sweep.dir=here", "sweep.fail_fast=true"]
    assert main([*words, "seed=13,1"]) == 1
    assert main([*words, "seed=1,13"]) == 1
    assert fits == [1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "seed=1,2", "hydra.sweep.dir=one"], "/one: holds a run; choose another folder"),
        (["hydra.run.dir=one"], "one: holds a run already; go on with it by `genlab resume one`"),
        (["hydra.run.dir=many"], "hydra.run.dir=many: a run there would hide those below it, as m"),
        (["trainer.replicas=2", "hydra.run.dir=many"], "many/seed-1: holds a run already"),
    ],
)
def test_a_folder_that_holds_something_else(
    fits: list[int], words: list[str], message: str, capsys: Capture
) -> None:
    for place in ("one", "many/seed-1"):
        run = RunDirectory.create(place)
        names = {"model": "nice", "data": "moons"}
        write_manifest(run, config={"seed": 1}, likelihood="exact", threads=1, **names)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(["train", "model=nice", *words]) == 2
    assert message in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_replicas_are_one_job_that_is_done_when_all_of_them_are(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "-m", "model=nice", "trainer.replicas=2", "sweep.skip_done=true"]
    for seed, value in ((0, 0.5), (1, 0.7)):
        config = compose("train", ["model=nice", f"seed={seed}"])
        run = RunDirectory.create(tmp_path / "outputs" / "both" / f"seed-{seed}")
        assert main([*words, "--dry-run"]) == 0
        assert capsys.readouterr().out.startswith("1 jobs, 1 to run")
        write_manifest(
            run, config=plain(config), likelihood="exact", threads=1, model="nice", data="moons"
        )
        write_json(run.metrics, {"test/kl": value, "test/kl/se": 0.1})
        write_status(run, "done", step=1)
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "skipped  test/kl  0.6 (mean of 2)" in shown
    assert f"done in {Path('outputs/both')}" in shown
