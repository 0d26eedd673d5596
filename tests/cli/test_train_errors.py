"""``genlab train`` around the training: directories, sweeps, flags, mistakes and exit statuses."""

from __future__ import annotations

import logging
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from genlab.assembly.recording import new_directory
from genlab.cli import run as run_module
from genlab.cli.commands import train
from genlab.cli.main import main
from genlab.cli.run import checked
from genlab.config.compose import compose
from genlab.errors import RunError, UserError
from genlab.runs.directory import RunDirectory

Capture = pytest.CaptureFixture[str]
Fits = list[tuple[DictConfig, RunDirectory]]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fits:
    """Instead of training, note what would be trained and where; seed 13 fails, seed 14 refuses."""
    done: Fits = []

    def fit(config: DictConfig, run: RunDirectory, **_: object) -> dict[str, float | None]:
        if config.seed == 13:
            raise RunError("the loss became nan at step 7")
        if config.seed == 14:
            raise UserError("trainer.warm_start=x: no such directory")
        done.append((config, run))
        return {"val/loss": 1.0}

    monkeypatch.setattr(run_module, "fit", fit)
    monkeypatch.chdir(tmp_path)
    return done


def directories(root: Path) -> list[Path]:
    """All run and sweep directories under ``root/outputs``."""
    return sorted(root.glob("outputs/*/*"))


def test_a_run_gets_a_directory_named_after_it(fits: Fits, tmp_path: Path) -> None:
    assert train.run(["model=nice", "data=eight_gaussians"]) == 0
    ((config, run),) = fits
    assert [run.path] == directories(tmp_path)
    assert run.path.name.endswith("-nice-eight_gaussians")
    assert (config.choices.model, config.choices.data) == ("nice", "eight_gaussians")
    assert OmegaConf.load(run.path / ".hydra" / "overrides.yaml") == [
        "model=nice",
        "data=eight_gaussians",
    ]


@pytest.mark.parametrize("words", [["hydra.run.dir=a/b"], ["-m", "hydra.sweep.dir=a/b"]])
def test_a_folder_that_cannot_be_made(fits: Fits, capsys: Capture, words: list[str]) -> None:
    Path("a").write_text("no folder")
    assert main(["train", *words]) == 2
    shown = capsys.readouterr().err
    assert re.fullmatch(r"genlab: \S*a/b\S*: cannot be made \(Not a dir.*\); choose .*\n", shown)


@pytest.mark.parametrize("words", [["hydra.run.dir=own"], ["-m", "hydra.sweep.dir=own"]])
def test_what_hydra_keeps_is_whole_or_absent(fits: Fits, capsys: Capture, words: list[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        assert main(["train", *words]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (
        "yaml: cannot be written (File too large); nothing was written" in capsys.readouterr().err
    )
    assert not [*Path("own").rglob("*.yaml")]
    assert fits == []


def test_runs_in_one_second_get_their_own_directories(fits: Fits) -> None:
    for _ in range(3):
        assert train.run([]) == 0
    assert len({run.path for _, run in fits}) == 3


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("train model=nsf data=rings", "nsf-rings"),
        ("train data=pinn_residual problem=burgers", "realnvp-pinn_residual"),
        ("solve problem=burgers", "das-gmm-burgers"),
        ("solve sampler=bootstrap", "bootstrap-flow-matching-peak"),
        ("solve sampler=uniform", "uniform-peak"),
    ],
)
def test_it_is_named_by_what_learns_and_what_from(
    words: str, name: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *overrides = words.split()
    shown = ["--cfg", "all", "-p", "hydra.run", "--resolve"]
    assert train.run([*shown, *overrides], command=command) == 0
    folder = capsys.readouterr().out.partition("dir: ")[2].strip()
    assert Path(folder).name[len("12-00-00-") :] == name
    config = checked(command, overrides)
    assert new_directory(config).path.name[len("12-00-00-") :] == name


def test_outputs_elsewhere(fits: Fits, tmp_path: Path) -> None:
    assert train.run([f"outputs={tmp_path / 'else where'}"]) == 0
    assert fits[0][1].path.is_relative_to(tmp_path / "else where")


def test_a_sweep(fits: Fits, tmp_path: Path) -> None:
    assert train.run(["model=nice,realnvp", "-m", "seed=1,2"]) == 0
    assert [(config.choices.model, config.seed) for config, _ in fits] == [
        ("nice", 1),
        ("nice", 2),
        ("realnvp", 1),
        ("realnvp", 2),
    ]
    (sweep,) = directories(tmp_path)
    assert sweep.name.endswith("-sweep")
    assert [run.path for _, run in fits] == [sweep / str(number) for number in range(4)]


def test_a_failing_job_leaves_the_others_and_fails_the_sweep(fits: Fits) -> None:
    with pytest.raises(RunError, match="1 of 3 jobs came to nothing"):
        train.run(["-m", "seed=12,13,15"])
    assert [config.seed for config, _ in fits] == [12, 15]


def test_a_typo_in_a_sweep_is_found_before_its_first_job(fits: Fits) -> None:
    with pytest.raises(UserError, match="model: no 'rings'; choose from"):
        train.run(["-m", "model=nice,rings"])
    assert not fits


def test_failures_come_out_as_they_are(fits: Fits) -> None:
    with pytest.raises(RunError, match="nan at step 7"):
        train.run(["seed=13"])
    with pytest.raises(UserError, match="no such directory"):
        train.run(["seed=14"])


def test_the_process_is_left_as_it_was(fits: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    root = logging.getLogger()
    before = list(sys.argv), list(root.handlers), root.level
    train.run(["seed=3"])
    assert (sys.argv, root.handlers, root.level) == before
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_composing_inside_a_run(fits: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(config: DictConfig, run: RunDirectory, **_: object) -> dict[str, float | None]:
        assert compose("train", ["model=nice"]).choices.model == "nice"
        assert HydraConfig.get().runtime.choices.model == "realnvp"
        fits.append((config, run))
        return {}

    monkeypatch.setattr(run_module, "fit", fit)
    assert train.run(["model=realnvp"]) == 0
    assert len(fits) == 1


def test_a_process_that_helps_claims_no_directory(
    fits: Fits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert train.run(["trainer=ddp"]) == 0
    assert train.run(["-m", "trainer=ddp", "seed=1,2"]) == 0
    assert [config.seed for config, _ in fits] == [0, 1, 2]
    assert list(tmp_path.iterdir()) == []


CALLBACK = """
from hydra.experimental.callback import Callback
class Note(Callback):
    def on_run_start(self, config, **_): print("run starts")
    def on_job_end(self, config, job_return, **_): print("job ends:", job_return.status.name)
    def on_multirun_end(self, config, **_): print("sweep ends")
"""


@pytest.mark.parametrize("multirun", [False, True])
def test_what_hydra_is_told_of_a_job(
    multirun: bool, monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    """Its folder, its variables, its callbacks, how much it logs, and where it works."""
    seen: list[tuple[Path, str, int]] = []

    def fit(config: DictConfig, run: RunDirectory, **_: object) -> dict[str, float | None]:
        seen.append((Path.cwd(), os.environ["OF_JOB"], logging.getLogger().level))
        raise RunError("lost")

    monkeypatch.setattr(run_module, "fit", fit)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "noted.py").write_text(CALLBACK)
    where = ["-m", "hydra.sweep.dir=mine"] if multirun else ["hydra.run.dir=mine/0"]
    words = ["hydra.job.chdir=true", "+hydra.job.env_set.OF_JOB=set", "hydra.verbose=true"]
    note = ["+hydra.callbacks.note._target_=noted.Note", "hydra.output_subdir=kept"]
    with pytest.raises(RunError):
        train.run([*where, *words, *note, "seed=3"])
    assert seen == [(tmp_path / "mine" / "0", "set", logging.DEBUG)]
    assert Path.cwd() == tmp_path
    shown = capsys.readouterr().out.splitlines()
    expected = (
        ["job ends: COMPLETED", "sweep ends"] if multirun else ["run starts", "job ends: FAILED"]
    )
    assert [line for line in shown if " end" in line or " start" in line] == expected
    kept = tmp_path / "mine" / "0" / "kept"
    assert sorted(path.name for path in kept.iterdir()) == [
        "config.yaml",
        "hydra.yaml",
        "overrides.yaml",
    ]
    assert OmegaConf.load(kept / "overrides.yaml") == ["seed=3"]


MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown model": (["model=realnvpp"], "model: no 'realnvpp'; did you mean 'realnvp'?"),
    "unknown data": (["data=moon"], "data: no 'moon'; did you mean 'moons'?"),
    "unknown key": (
        ["model.layrs=3"],
        "model.layrs=3: no 'layrs' in model; did you mean 'layers'?",
    ),
    "another option's key": (
        ["model.components=3"],
        "model.components=3: no 'components' in this model; choose model=gmm",
    ),
    "unknown key, added": (
        ["+model.layrs=3"],
        "model.layrs=3: RealNVP takes no 'layrs'; did you mean 'layers'?",
    ),
    "unknown key of what a function makes": (
        ["model=nsf", "+model.layrs=3"],
        "model.layrs=3: model=nsf takes no 'layrs'; did you mean 'layers'?",
    ),
    "unknown top-level key, added": (["+sed=1"], "sed=1: nothing takes this key; did you mean"),
    "wrong type": (["model.layers=many"], "model.layers=many: expected an integer, at least 1"),
    "negative size": (["data.batch_size=-1"], "data.batch_size=-1: expected an integer, at least"),
    "another library's bounds": (
        ["optimizer.lr=-1"],
        "optimizer.lr=-1: expected a number, at least 0",
    ),
    "bounds of each": (
        ["optimizer.betas=[0.9,1]"],
        "optimizer.betas=[0.9, 1]: expected a list of numbers, each at least 0 and less than 1",
    ),
    "wrong choice": (["model.activation=rel"], "model.activation=rel: expected relu, "),
    "no value": (["model"], "model: expected KEY=VALUE"),
    "no interpolation": (["model.layers=${modle.x}"], "model.layers=${modle.x}: no 'modle'; did"),
    "missing value": (["model.layers=???"], "model.layers: missing; set it by model.layers=VALUE"),
    "sweep without -m": (["seed=1,2"], "seed=1,2: several values; add -m to run each"),
    "unknown flag": (["--mulitrun"], "train: unrecognized arguments: --mulitrun; did you mean"),
    "a choice as a flag": (["--model", "nice"], "train: unrecognized arguments: --model; a choice"),
    "another command's group": (
        ["sampler=das"],
        "sampler=das: no choice of `genlab train`; `genlab solve` has it",
    ),
    "another command's group, added": (
        ["+sampler=das"],
        "+sampler=das: no choice of `genlab train`",
    ),
    "another command's recipe": (
        ["experiment=pinn_two_peaks"],
        "experiment=pinn_two_peaks: chooses sampler, no choice of `genlab train`; `genlab solve`",
    ),
    "a PDE that nothing uses": (
        ["problem=peak"],
        "problem=peak: nothing uses it; it goes with data=",
    ),
    "two flags": (["-m", "--cfg", "job"], "train: -m, --run, --cfg, --info and"),
    "flag without its flag": (["--resolve"], "train: --resolve goes with --cfg"),
    "what only a sweep takes": (["sweep.fail_fast=true"], "sweep.fail_fast=true: goes with -m"),
    "what only a search takes": (["+search=nsf"], "+search=nsf: goes with `genlab tune`"),
    "dry run of one": (["--dry-run"], "--dry-run: goes with -m"),
    "sweep's option": (
        ["-m", "seed=1,2", "sweep.fail_fast=1"],
        "sweep.fail_fast=1: expected true or",
    ),
    "typo in a sweep": (["-m", "seed=1,2", "model.layrs=1"], "model.layrs=1: no 'layrs' in model"),
    "other configs": (
        ["--config-path", "x"],
        "train: --config-name and --config-path would replace",
    ),
    "rerun": (["--experimental-rerun", "x"], "train: --experimental-rerun would write into the"),
    "no such folder": (["--config-dir", "no_such"], "--config-dir "),
}


@pytest.mark.parametrize("words", [words for words, _ in MISTAKES.values()], ids=MISTAKES)
def test_mistakes(
    fits: Fits, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """One or two lines, status 2, and no directory made."""
    message = next(text for known, text in MISTAKES.values() if known is words)
    assert main(["train", *words]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"genlab: {message}")
    assert len(printed.err.splitlines()) <= 2
    assert printed.out == ""
    assert directories(tmp_path) == []
    assert not fits


def test_outputs_that_cannot_be_written(
    fits: Fits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["train", f"outputs={tmp_path / 'file'}"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_failed_run_is_status_one(fits: Fits, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "seed=13"]) == 1
    assert capsys.readouterr().err == "genlab: the loss became nan at step 7\n"
    assert main(["train", "-m", "seed=12,13"]) == 1


def test_a_failure_is_told_in_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["model=nice", "model.layers=2", "data.test_size=16", "trainer.max_steps=100"]
    assert main(["train", *small, "callbacks=minimal", "logger=none", "optimizer.lr=1e30"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) <= 2
    assert errors[0].startswith("genlab: ")


@pytest.mark.parametrize("command", ["train", "solve"])
def test_what_is_no_objective_is_refused(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "objective._target_=torch.nn.MSELoss"]) == 2
    message = "objective._target_=torch.nn.MSELoss: expected a class that derives from"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--cfg", "job"], ["--help"], ["-h"], ["--info", "defaults"], ["--info", "seed=1"]]
)
def test_looking_trains_nothing_and_makes_nothing(
    fits: Fits, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert train.run(words) == 0
    assert "realnvp" in capsys.readouterr().out.lower()
    assert list(tmp_path.iterdir()) == []
    assert not fits


REFUSED = ["seed=14"]


def test_what_is_refused_late_leaves_no_directory(fits: Fits, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such directory"):
        train.run(REFUSED)
    assert directories(tmp_path) == []
    with pytest.raises(RunError, match="1 of 2 jobs"):
        train.run(["-m", "seed=12,14"])
    (sweep,) = directories(tmp_path)
    assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == ["0", "jobs"]


@pytest.mark.parametrize("folder", [".", "mine"])
def test_a_users_own_folder_is_never_removed(fits: Fits, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    precious = tmp_path / folder / "precious.txt"
    precious.write_text("mine")
    with pytest.raises(UserError, match="no such directory"):
        train.run([*REFUSED, f"hydra.run.dir={folder}"])
    assert precious.read_text() == "mine"
    (tmp_path / folder / "1").mkdir()
    precious = precious.rename(tmp_path / folder / "1" / "precious.txt")
    with pytest.raises(RunError, match="1 of 2 jobs"):
        train.run(["-m", "seed=12,14", f"hydra.sweep.dir={folder}"])
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("folder", ["mine", "${oc.env:PWD_OF_TEST}/mine"])
def test_a_directory_with_a_run_is_not_written_to(
    fits: Fits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("PWD_OF_TEST", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").touch()
    with pytest.raises(UserError, match=r"mine: holds a run already; .*genlab resume"):
        train.run([f"hydra.run.dir={folder}"])
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["run.json"]
    assert not fits


def test_resolving_the_directory_makes_nothing(
    fits: Fits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.run(["--cfg", "all", "-p", "hydra.run", "--resolve"]) == 0
    assert f"dir: {tmp_path}/outputs/" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["train", "solve"])
def test_help_names_groups_and_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    train.run(["--help"], command=command)
    text = capsys.readouterr().out
    assert text.startswith(f"genlab {command}: ")
    assert "\nmodel: cnf, " in text
    assert ("\nsampler: " in text, "\ndata: " in text) == (command == "solve", command == "train")
    assert not any(word in text for word in ("preset", "kind", "_model_based", "_maf", "_images"))
    assert f"\n  genlab {command} -m " in text


def test_a_folder_of_the_users_own(fits: Fits, tmp_path: Path) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    text = "# Mine.\ndefaults: [realnvp, _self_]\nlayers: 3\n"
    (tmp_path / "mine" / "model" / "small.yaml").write_text(text)
    assert train.run(["model=small", "--config-dir", "mine", "seed=1"]) == 0
    assert fits[0][0].model.layers == 3
    assert fits[0][1].path.name.endswith("-small-moons")


def test_cfg_costs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from genlab.cli.main import main; main(['train', '--cfg', 'job']);"
        "print({'torch', 'lightning', 'rich', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == "set()\n"
    assert "max_steps: " in done.stdout
