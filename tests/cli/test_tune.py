"""``genlab tune``: trials that are told once each, through kills, and what is left of them."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import Callback
from matplotlib import rcParams
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf
from small import TABLE, write_table

import genlab
from genlab.cli.commands.tune import _planned
from genlab.cli.main import main
from genlab.config import config_dir
from genlab.config.compose import compose
from genlab.config.stored import plain, read_config
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.manifest import write_manifest
from genlab.runs.status import write_status

pytest.importorskip("optuna")

import optuna

from genlab.cli import study
from genlab.errors import PrunedError, RunError
from genlab.learning.callbacks import Pruning

Capture = pytest.CaptureFixture[str]

SPACE = ["optimizer.lr=tag(log,interval(1e-4,1e-2))", "model.layers=range(2,11,step=2)"]
SEARCH = {
    "trials": 5,
    "workers": 2,
    "sampler": "tpe",
    "random_trials": 2,
    "pruning": True,
}
WORDS = [
    "tune",
    "model=nice",
    "data=rings",
    "trainer.max_steps=40",
    "search.random_trials=2",
    *SPACE,
]


class Experiment:
    """In place of a training: the loss is the distance of the rate from 1e-3, in decades."""

    kill_at: int | None = None
    fitted: list[tuple[str, bool]]

    def __init__(self, config: DictConfig, run: RunDirectory) -> None:
        self.config, self.run = config, run

    def fit(self, *, resume: bool, callbacks: Sequence[Callback]) -> dict[str, float]:
        number = int(self.run.path.name)
        type(self).fitted.append((self.run.path.name, resume))
        if not resume:
            names = {"model": "nice", "data": "rings", "likelihood": "exact"}
            write_manifest(self.run, config=plain(self.config), threads=1, **names)
            self.run.config.write_text(OmegaConf.to_yaml(self.config, resolve=True))
        self.run.last.touch()
        (pruning,) = callbacks
        report: Any = pruning.report
        loss = abs(math.log10(self.config.optimizer.lr) + 3) + self.config.model.layers / 100
        for step in (10, 20, 30, 40):
            if step == 20 and number == self.kill_at and not resume:
                os.kill(os.getpid(), signal.SIGKILL)
            if report(step, loss + 1 / step) and step < 40:
                raise PrunedError(f"pruned at step {step}")
        if number == 1:
            raise RunError("lost\ntry less")
        return {"val/loss": loss}


def instead(experiment: type[Any]) -> Any:
    """In place of a fit: that of a stand-in."""

    def fit(config: DictConfig, run: RunDirectory, **how: Any) -> dict[str, float]:
        found: dict[str, float] = experiment(config, run).fit(**how)
        return found

    return fit


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Experiment]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("genlab.cli.run.fit", instead(Experiment))
    monkeypatch.setattr(Experiment, "kill_at", None)
    Experiment.fitted = []
    return Experiment


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{folder / 'study.db'}"
    return optuna.load_study(study_name="genlab", storage=storage).get_trials()


def test_the_figures_of_a_study_say_what_was_minimised(
    fits: type[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, facecolor = [], rcParams["axes.facecolor"]
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure.axes[0]))
    monkeypatch.setattr(study, "atomic_path", nullcontext)
    assert main([*WORDS, "search.trials=3", "search.pruning=false"]) == 0
    history, importance = drawn
    assert [axis.get_title() for axis in drawn] == ["nice on rings, 3 trials"] * 2
    assert not importance.get_title(loc="left")
    assert history.get_ylabel() == "val/loss"
    assert all(tick == round(tick) for tick in history.get_xticks())
    assert rcParams["axes.facecolor"] == facecolor


def test_a_search_finds_the_rate_and_writes_it_down(
    fits: type[Experiment], capsys: Capture, tmp_path: Path
) -> None:
    assert main([*WORDS, "experiment=thorough", "search.trials=12"]) == 0
    shown = capsys.readouterr().out
    (folder,) = tmp_path.glob("outputs/*/*-tune-nice-rings")
    found = trials(folder)
    assert len(found) == 12
    states = {trial.state.name for trial in found}
    assert states == {"COMPLETE", "FAIL", "PRUNED"}
    assert "trial 1: optimizer.lr=" in shown
    assert ": failed: lost; try less" in shown
    best = min(trial.value for trial in found if trial.state.name == "COMPLETE")
    assert f"val/loss {best:.6g}" in shown
    assert {"history.png", "importance.png"} <= {path.name for path in folder.iterdir()}
    text = (folder / "conf" / "experiment" / "best.yaml").read_text()
    assert text.startswith(
        "# @package _global_\n# The best of 12 trials of nice on rings: val/loss"
    )
    searchpath = f"hydra.searchpath=['file://{folder / 'conf'}']"
    config = compose("train", ["experiment=best", searchpath])
    winner = next(trial for trial in found if trial.value == best)
    assert config.optimizer.lr == winner.params["optimizer.lr"]
    assert config.model.layers == winner.params["model.layers"]
    assert (config.choices.model, config.choices.data) == ("nice", "rings")
    number = winner.number
    assert f"train it: genlab train --config-dir {folder / 'conf'} experiment=best\n" in shown
    trained = plain(read_config(RunDirectory(folder / str(number))))
    found = plain(config)
    assert [each["choices"].pop("experiment") for each in (trained, found)] == ["thorough", "best"]
    assert found == trained
    assert found["trainer"]["ema"] == 0.999


KILLED = """
import socket, sys
sys.path[:0] = sys.argv[1:4]
host = sys.argv.pop(4)
socket.gethostname = lambda: host
from genlab.cli import run
from genlab.cli.main import main
import test_tune
run.fit = test_tune.instead(test_tune.Experiment)
test_tune.Experiment.fitted, test_tune.Experiment.kill_at = [], 2
main(sys.argv[4:])
"""


def killed_study(folder: Path, host: str, **variables: str) -> Path:
    """A study whose process, on a machine of that name, was killed amid its third trial."""
    here = Path(__file__).parent
    folders = map(str, (config_dir().parent, here, here.parent))
    words = [*folders, host, *WORDS, "search.trials=5", "search.pruning=false"]
    program, known = [sys.executable, "-c", KILLED], {**os.environ, **variables}
    killed = subprocess.run([*program, *words], cwd=folder, env=known)
    assert killed.returncode == -signal.SIGKILL
    (study,) = folder.glob("outputs/*/*")
    return study


@pytest.mark.slow
@pytest.mark.parametrize("forced", [False, True])
def test_a_trial_of_a_machine_that_died(
    fits: type[Experiment], forced: bool, capsys: Capture, tmp_path: Path
) -> None:
    """It is left alone while it may live, and gone on with once, without a word or by force."""
    folder = killed_study(tmp_path, "elsewhere", GENLAB_ABANDONED_AFTER="3000")
    again = ["tune", "--study", str(folder)]
    assert main(again) == 0
    assert fits.fitted == [("3", False), ("4", False)]
    assert [trial.state.name for trial in trials(folder)][2] == "RUNNING"
    if forced:
        again.append("--force")
    else:
        note = folder / "trials" / "2.json"
        write_json(note, {**read_json(note), "heartbeat": "2026-01-01T00:00:00+00:00"})
    assert main(again) == 0
    assert fits.fitted == [("3", False), ("4", False), ("2", True)]
    assert main(again) == 0
    assert len(fits.fitted) == 3
    found = trials(folder)
    assert [trial.state.name for trial in found] == ["COMPLETE", "FAIL", *["COMPLETE"] * 3]
    assert found[2].user_attrs.get("kills", 0) == (0 if forced else 1)


class Overtaken(Experiment):
    """In place of a training that stands still until another process has taken it up."""

    def fit(self, **how: Any) -> dict[str, float]:
        note = self.run.path.parent / "trials" / f"{self.run.path.name}.json"
        write_json(note, {**read_json(note), "host": "elsewhere", "pid": 7})
        return {"val/loss": 1.0}


def test_a_trial_that_another_process_has_taken_up_is_told_by_that_one(
    fits: type[Experiment], capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("genlab.cli.run.fit", instead(Overtaken))
    assert main([*WORDS, "search.trials=1"]) == 1
    (folder,) = tmp_path.glob("outputs/*/*")
    assert [trial.state.name for trial in trials(folder)] == ["RUNNING"]
    shown = capsys.readouterr()
    assert "val/loss 1; another process has taken it up" in shown.out
    assert "no trial was completed" in shown.err


@pytest.mark.slow
def test_a_killed_study_goes_on_with_the_very_trial(
    fits: type[Experiment], capsys: Capture, tmp_path: Path
) -> None:
    folder = killed_study(tmp_path, socket.gethostname())
    before = trials(folder)
    assert [trial.state.name for trial in before] == ["COMPLETE", "FAIL", "RUNNING"]
    assert main(["tune", "--study", str(folder)]) == 0
    assert "trial 2: was killed, 1 of 3 times" in capsys.readouterr().out
    after = trials(folder)
    assert fits.fitted == [("2", True), ("3", False), ("4", False)]
    assert [trial.params for trial in after[:3]] == [trial.params for trial in before]
    assert [trial.state.name for trial in after] == ["COMPLETE", "FAIL", *["COMPLETE"] * 3]
    assert len({tuple(trial.params.values()) for trial in after}) == 5
    assert main(["tune", "--study", str(folder), "search.trials=6"]) == 0
    assert len(trials(folder)) == 6
    assert len(fits.fitted) == 4


def test_a_trial_takes_over_no_other_ones_folder(
    fits: type[Experiment], capsys: Capture, tmp_path: Path
) -> None:
    """As where a study is begun anew beside folders that were left; what is done stays done."""
    assert main([*WORDS, "search.trials=3", "search.pruning=false"]) == 0
    (folder,) = tmp_path.glob("outputs/*/*")
    before = (folder / "0" / "run.json").read_text()
    done = RunDirectory(folder / "2")
    write_json(done.metrics, {"val/loss": 0.125})
    write_status(done, "done", step=40)
    for path in folder.glob("study.db*"):
        path.unlink()
    plan = read_json(folder / "tune.json")
    write_json(folder / "tune.json", {**plan, "seed": 1})
    fits.fitted = []
    main(["tune", "--study", str(folder), "search.trials=2"])
    assert fits.fitted == []
    assert capsys.readouterr().out.count("holds the run of another configuration") == 2
    assert (folder / "0" / "run.json").read_text() == before
    # The very trial again, whose process was killed between its end and telling it.
    for path in folder.glob("study.db*"):
        path.unlink()
    write_json(folder / "tune.json", plan)
    assert main(["tune", "--study", str(folder), "search.trials=3"]) == 0
    assert [trial.value for trial in trials(folder)][2] == 0.125
    assert fits.fitted == [("0", True), ("1", True)]


class Waiting:
    """In place of a training in this process: waits until another process has told a trial."""

    def __init__(self, config: DictConfig, run: RunDirectory) -> None:
        self.folder = run.path.parent

    def fit(self, *, resume: bool, callbacks: Sequence[Callback]) -> dict[str, float]:
        while not any(trial.state.is_finished() for trial in trials(self.folder)):
            time.sleep(0.1)
        return {"val/loss": 9.0}


@pytest.mark.slow
def test_two_workers_share_a_study(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("genlab.cli.run.fit", instead(Waiting))
    write_table(tmp_path)
    words = [*TABLE, "optimizer.lr=interval(1e-3,1e-2)", "search.trials=2", "search.workers=2"]
    assert main(["tune", *words]) == 0
    (folder,) = tmp_path.glob("outputs/*/*")
    ours, theirs = trials(folder)
    assert [trial.state.name for trial in (ours, theirs)] == ["COMPLETE", "COMPLETE"]
    assert ours.user_attrs["process"]["pid"] == os.getpid() != theirs.user_attrs["process"]["pid"]
    assert theirs.value == read_json(folder / "1" / "metrics.json")["val/loss"]
    assert "best: trial 1, val/loss" in capsys.readouterr().out


def test_a_pruned_trial_is_a_run_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    trial = genlab.experiment(*TABLE)
    with pytest.raises(PrunedError, match="pruned at step 3: val/loss"):
        trial.fit(callbacks=[Pruning(lambda step, value: True)])
    assert main(["list", "runs"]) == 0
    assert " pruned " in capsys.readouterr().out
    main(["compare"])
    shown = capsys.readouterr()
    assert "pruned: outputs/" in shown.out + shown.err


def test_who_joins_a_study_writes_nothing_back(tmp_path: Path) -> None:
    write_json(tmp_path / "tune.json", {"search": SEARCH})
    before = (tmp_path / "tune.json").stat()
    assert _planned(tmp_path, [])["search"] == SEARCH
    assert (tmp_path / "tune.json").stat() == before
    assert _planned(tmp_path, ["search.trials=9"])["search"]["trials"] == 9
    assert read_json(tmp_path / "tune.json")["search"]["trials"] == 9


def test_a_trial_that_breaks_down_fails_alone(
    fits: type[Experiment], capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(config: DictConfig, run: RunDirectory, **how: Any) -> dict[str, float]:
        if run.path.name == "0":
            raise RuntimeError("CUDA out of memory")
        return {"val/loss": 1.0}

    monkeypatch.setattr("genlab.cli.run.fit", fit)
    monkeypatch.setattr("genlab.cli.study.write_recipe", lambda *_: [])
    monkeypatch.setattr("genlab.cli.study.read_config", lambda run: None)
    assert main([*WORDS, "search.trials=2", "search.pruning=false"]) == 0
    (folder,) = tmp_path.glob("outputs/*/*")
    assert [trial.state.name for trial in trials(folder)] == ["FAIL", "COMPLETE"]
    assert ": failed: RuntimeError: CUDA out of memory\n" in capsys.readouterr().out


def test_a_trial_that_kills_its_process_each_time_fails(
    fits: type[Experiment], capsys: Capture, tmp_path: Path
) -> None:
    assert main([*WORDS, "search.trials=3", "search.pruning=false"]) == 0
    (folder,) = tmp_path.glob("outputs/*/*")
    known = optuna.load_study(study_name="genlab", storage=f"sqlite:///{folder / 'study.db'}")
    gone = {"host": socket.gethostname(), "pid": 2**22 + 1, "process": "1"}
    trial = known.ask()
    trial.set_user_attr("process", gone)
    trial.set_user_attr("kills", 2)
    assert main(["tune", "--study", str(folder), "search.trials=5"]) == 0
    states = [trial.state.name for trial in trials(folder)]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "FAIL", "COMPLETE"]
    assert "trial 3: was killed, 3 of 3 times" in capsys.readouterr().out
    assert [name for name, _ in fits.fitted] == ["0", "1", "2", "4"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=nice"], "tune: nothing to search"),
        (["+search=nfs", *SPACE], "search: no 'nfs'; did you mean 'nsf'?"),
        (["search.sampler=tpo", *SPACE], "search.sampler=tpo: expected tpe or random; did"),
        (["+search.trails=9", *SPACE], "search.trails=9: no such key; did you mean 'trials'?"),
        (
            ["search.n_trials=9", *SPACE],
            "search.n_trials=9: no 'n_trials' in search; did you mean 'trials'?",
        ),
        (["search.trials=0", *SPACE], "search.trials=0: expected an integer, at least 1"),
        (["optimizer.lr=interval(2,1)"], "optimizer.lr=interval(2,1): expected low < high"),
        (
            ["trainer=ddp", *SPACE],
            "trainer.devices=2: a trial runs on one device; use",
        ),
        (["trainer.replicas=2", *SPACE], "trainer.replicas=2: a trial is one run"),
        (["model.layrs=3", *SPACE], "model.layrs=3: no 'layrs' in model; did you mean 'layers'?"),
        (
            ["data.val_size=choice(9,99)"],
            "data.val_size=choice(9,99): changes the rows",
        ),
        (["++data.val_size=choice(9,99)"], "++data.val_size=choice(9,99): changes the rows"),
        (["data=choice(moons,rings)"], "data=choice(moons,rings): changes the rows"),
        (
            ["+sweep=all_models_all_toys", *SPACE],
            "tune: what is chosen holds a sweep, of model, data, seed, which a search passes",
        ),
        (["--study", "nowhere"], "--study nowhere: no study there (tune.json is missing)"),
        (["--force", *SPACE], "--force goes with --study"),
    ],
)
def test_mistakes(fits: type[Experiment], capsys: Capture, words: list[str], message: str) -> None:
    assert main(["tune", *words]) == 2
    assert message in capsys.readouterr().err
    assert not Path("outputs").exists()
