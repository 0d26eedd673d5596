"""Jobs that are really trained: whose weights lie in a folder, whatever was in it before."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from hydra.types import RunMode
from small import TABLE, write_table
from torch import Tensor

from genlab.assembly import Training, from_config
from genlab.cli.fit import reenter
from genlab.cli.hydra_app import application
from genlab.cli.main import main
from genlab.cli.sweep_plan import Plan, planned
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.stored import plain
from genlab.errors import UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.manifest import FORMAT
from genlab.runs.settings import config_hash
from genlab.runs.status import identity, read_status, write_status
from genlab.runs.sweep import Job, SweepDirectory

Capture = pytest.CaptureFixture[str]

# A callback that kills its process behind the validation at step 3 of seed 2, once.
KILLER = """
import os, signal
from pathlib import Path

from lightning.pytorch.callbacks import Callback

ONCE = Path("killed")


class Killer(Callback):
    def __init__(self, seed):
        self.seed = seed

    def on_train_batch_start(self, trainer, learner, batch, index):
        if self.seed == 2 and learner.step >= 3 and not ONCE.exists():
            ONCE.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with a table; nothing is drawn and no speed measured, which takes seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    write_table(tmp_path)
    monkeypatch.setattr("genlab.evaluation.suite.samples_per_second", lambda *_, **__: 1.0)
    monkeypatch.setattr(Training, "_draw", lambda *_: {})
    return tmp_path


def train(*words: str) -> int:
    return main(["train", *TABLE, *words])


def best(folder: str) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = load_checkpoint(RunDirectory(Path(folder)).best)["state_dict"]
    return weights


def differ(folder: str, other: str) -> bool:
    one, two = best(folder), best(other)
    return not all(torch.equal(one[name], two[name]) for name in one)


def test_each_folder_holds_the_weights_of_its_own_seed(here: Path) -> None:
    assert train("-m", "seed=1,2", "hydra.sweep.dir=many") == 0
    assert train("-m", "seed=3,1", "hydra.sweep.dir=many") == 0
    for number, seed in ((0, 1), (1, 2), (2, 3)):
        assert train(f"seed={seed}", f"hydra.run.dir=alone/{seed}") == 0
        assert read_json(here / f"many/{number}/run.json")["config"]["seed"] == seed
        assert not differ(f"many/{number}", f"alone/{seed}")
    assert differ("alone/1", "alone/3")


@pytest.mark.slow
def test_a_sweep_that_was_killed_goes_on_where_it_was(here: Path, capsys: Capture) -> None:
    (here / "killer.py").write_text(KILLER)
    killer = ["+callbacks.killer._target_=killer.Killer", "+callbacks.killer.seed=${seed}"]
    words = ["train", "-m", *TABLE, *killer, "seed=1,2,3", "hydra.sweep.dir=many"]
    killed = subprocess.run([sys.executable, "-m", "genlab", *words], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    first = read_status(RunDirectory(here / "many/0"))
    assert load_checkpoint(RunDirectory(here / "many/1").last)["step"] == 3
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "0    seed=1        skipped" in shown
    assert "1    seed=2        done" in shown
    assert read_status(RunDirectory(here / "many/0")) == first
    # From step 3 on: the first three steps are in the log once.
    assert read_json(here / "many/1/curves.json")["step"] == [3, 6]
    for number, seed in ((1, 2), (2, 3)):
        assert train(*killer, f"seed={seed}", f"hydra.run.dir=alone/{seed}") == 0
        assert not differ(f"many/{number}", f"alone/{seed}")


def test_a_table_that_was_edited_makes_another_job(here: Path) -> None:
    assert train("-m", "seed=1,2", "hydra.sweep.dir=many") == 0
    before = (here / "many/0/checkpoints/best.ckpt").read_bytes()
    rows = (here / "points.csv").read_text()
    (here / "points.csv").write_text(f"{rows}0.5\n")
    assert train("-m", "seed=1", "hydra.sweep.dir=many") == 0
    assert {path.name for path in (here / "many").glob("[0-9]*")} == {"0", "1", "2"}
    assert (here / "many/0/checkpoints/best.ckpt").read_bytes() == before
    assert differ("many/0", "many/2")


def test_a_folder_of_another_configuration_is_left_as_it_is(here: Path, capsys: Capture) -> None:
    assert train("-m", "seed=1", "hydra.sweep.dir=many") == 0
    run = RunDirectory(here / "many/0")
    config = compose("train", [*TABLE, "seed=1"])
    assert reenter(run, config) == "done"
    write_status(run, "interrupted", step=3)
    assert reenter(run, config) == "part"
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="holds the run of another configuration"):
        reenter(run, compose("train", [*TABLE, "seed=2"]))
    write_status(run, "running")
    with pytest.raises(UserError, match="still running"):
        reenter(run, config)
    write_status(run, "interrupted", step=3)
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert before.keys() == after.keys()
    run.last.unlink()
    assert reenter(run, config) == "nothing"
    assert not run.manifest.exists()
    assert run.console.exists()


def test_replicas_that_are_left_go_on_alone(here: Path) -> None:
    flow = ["model=nice", "model.layers=2", "model.hidden=[8]", "data.test_size=50"]
    short = ["trainer.max_steps=2", "trainer.val_every=2", "trainer.accelerator=cpu"]
    small = [*flow, *short, "callbacks=minimal", "logger=none", "data.val_size=50"]
    words = ["train", "-m", *small, "trainer.replicas=2", "hydra.sweep.dir=many", "seed=1"]
    assert main(words) == 0
    done, left = (RunDirectory(here / f"many/0/seed-{seed}") for seed in (1, 2))
    kept = [done.best.read_bytes(), done.status.read_bytes()]
    write_status(left, "interrupted", step=2)
    left.metrics.unlink()
    assert main(words) == 0
    assert kept == [done.best.read_bytes(), done.status.read_bytes()]
    assert read_status(left)["state"] == "done"
    assert "test/nll" in read_json(left.metrics)


CONFIGS = {
    "train": (
        ("model=flow-matching", "model.source=rings"),
        ("model=nice", "data=custom", "data.file=target.py"),
        ("model=gmm", "data=table", "data.path=points.csv"),
        ("model=vae", "data=digits"),
    ),
    "solve": (("sampler=das", "model=nsf"), ("sampler=rad",)),
}


@pytest.mark.parametrize(
    ("command", "words"), [(command, words) for command in CONFIGS for words in CONFIGS[command]]
)
def test_a_job_is_known_by_what_its_run_records(
    here: Path, command: str, words: Sequence[str]
) -> None:
    (here / "target.py").write_text(
        "import torch\ndef log_prob(x):\n    return -x.square().sum(1)\n"
    )
    reverse = ["objective=reverse_kl"] if "data=custom" in words else []
    line = (*words, *reverse, "seed=5")
    plan = plan_of(command, *line)
    config = compose(command, line)
    check(config)
    recorded = config_hash(plain(from_config(config).config))
    assert [job.config_hash for job in plan.jobs] == [recorded]
    assert plan.runs == ((recorded,),)


def test_a_table_is_read_whole_once_for_all_jobs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, seen = hashlib.file_digest, []

    def counted(file: BinaryIO, name: str) -> object:
        seen.append(Path(file.name).name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    words = ("model=gmm", "data=table", "data.path=points.csv", "seed=0,1,2")
    first = plan_of("train", *words)
    assert seen == ["points.csv"]
    with (here / "points.csv").open("a") as file:
        file.write("0.5\n")
    assert plan_of("train", *words).runs != first.runs
    assert seen == ["points.csv"] * 2


def plan_of(command: str, *words: str) -> Plan:
    with application(command) as hydra:
        return planned(hydra, hydra.compose_config(command, [*words], RunMode.MULTIRUN))


def test_a_target_that_was_edited_is_another_configuration(here: Path) -> None:
    file = here / "target.py"
    hashes = set()
    for scale in (1, 2, 1):
        file.write_text(
            f"import torch\ndef log_prob(x):\n    return -{scale} * x.square().sum(1)\n"
        )
        words = ["data=custom", "data.file=target.py", "objective=reverse_kl"]
        hashes.add(config_hash(plain(compose("train", words))))
    assert len(hashes) == 2
    folder = here / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    named = {"data": {"path": str(folder)}}
    first = config_hash(named)
    (folder / "b.png").write_bytes(b"1")
    assert config_hash(named) != first


def test_two_runs_that_start_in_one_directory(here: Path) -> None:
    """Both found it empty; the first to record makes it its own, and the other leaves it alone."""
    config = compose("train", [*TABLE, "seed=1"])
    first, second = (from_config(config, RunDirectory.create("one")) for _ in range(2))
    first.fit()
    before = {path: path.read_bytes() for path in Path("one").rglob("*") if path.is_file()}
    weights = {name: value.clone() for name, value in second.model.state_dict().items()}
    with pytest.raises(UserError, match="the run in one is done"):
        second.fit()
    assert before == {path: path.read_bytes() for path in Path("one").rglob("*") if path.is_file()}
    assert all(torch.equal(weights[k], value) for k, value in second.model.state_dict().items())


def test_a_note_of_an_older_version_is_read(tmp_path: Path) -> None:
    """Its plan names no hashes: the numbers are taken, and known by the runs themselves."""
    jobs = [{"number": k, "name": f"seed={k}", "overrides": [], "done_in": None} for k in (0, 1)]
    write_json(tmp_path / "sweep.json", {"jobs": jobs})
    for k, state in enumerate(("done", "failed")):
        (tmp_path / "jobs").mkdir(exist_ok=True)
        note = {"state": state, "started": "2026-01-01T00:00:00+00:00", **identity()}
        write_json(tmp_path / "jobs" / f"{k}.json", note)
        (tmp_path / str(k)).mkdir()
        made = {"format": FORMAT, "config_hash": f"hash of {k}"}
        write_json(tmp_path / str(k) / "run.json", made)
    asked = [Job(0, name, (), name) for name in ("hash of 5", "hash of 1")]
    sweep, jobs = SweepDirectory.enter(tmp_path, asked)
    assert [job.number for job in jobs] == [2, 1]
    assert [state.state for state in sweep.read(jobs)] == ["waiting", "waiting"]
    assert all(sweep.begin(job.number) for job in jobs)
