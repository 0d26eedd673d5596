"""Composition, and what is said of an override that cannot be composed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from genlab.config import config_dir
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.explain import explained
from genlab.errors import UserError

MISTAKES = {
    "model=dem": "model: no 'dem'; did you mean 'demo'?",
    "data=moon": "data: no 'moon'; did you mean 'moons'?",
    "schedule=cosin": "schedule: no 'cosin'; did you mean 'cosine'?",
    "model=3": "model: no '3'; choose from: ",
    "logger=null": "logger: no 'null'; choose from: csv, mlflow, none, tensorboard, trackio, wandb",
    "model.fnal=1": "model.fnal=1: no 'fnal' in model; did you mean 'final'?",
    "modle=nice": "modle=nice: no 'modle'; did you mean 'model'?",
    "final=1": "final=1: no such key; did you mean 'model.final'?",
    "model.final.x=1": "model.final.x=1: model.final is one value, without keys of its own",
    "hydra.jobb.name=x": "hydra.jobb.name=x: no 'jobb' in hydra; did you mean 'job'?",
    "hydra/launcher=bassic": "hydra/launcher: no 'bassic'; did you mean 'basic'?",
    "+model=nice": "+model=nice: model is there already; write model=nice",
    "+model.final=1": "+model.final=1: model.final is there already; write model.final=1",
    "~model.fnal": "~model.fnal: no 'fnal' in model; did you mean 'final'?",
    "schedule=cosine,linear": "schedule=cosine,linear: several values; add -m to run each",
    "model.final=0,1": "model.final=0,1: several values; add -m to run each, or write "
    "model.final=[0,1] for a list",
    "seed=range(1,3)": "seed=range(1,3): several values; add -m to run each",
    "realnvp": "realnvp: expected KEY=VALUE; did you mean model=realnvp?",
    "data.event_shape=[1,2": "data.event_shape=[1,2: cannot be read; expected KEY=VALUE, and "
    "quotes round special characters",
    "data.drop=[größe (cm),x]": "data.drop=[größe (cm),x]: cannot be read; did you mean "
    "\"data.drop=['größe (cm)',x]\"?",
    "data.weight=w(kg)": "data.weight=w(kg): cannot be read; did you mean \"data.weight='w(kg)'\"?",
    "data.bounds={größe:[0,1]}": "data.bounds={größe:[0,1]}: cannot be read; names in a mapping "
    "are plain, or a column's number",
    "command=solve": "command=solve: fixed; run `genlab solve` instead",
    "+choices.model=nice": "choices: filled by genlab, cannot be set; write GROUP=OPTION",
    "hydra.job.chdir=abc": "configuration: Error merging override hydra.job.chdir=abc: Value "
    "'abc' is not a valid bool",
}


@pytest.mark.parametrize("override", MISTAKES)
def test_mistakes(composed: Callable[..., DictConfig], override: str) -> None:
    with pytest.raises(UserError) as caught:
        composed(override)
    message = str(caught.value)
    assert message.startswith(MISTAKES[override])
    assert caught.value.exit_status == 2
    assert message.count("\n") < 2


def test_a_second_mistake_does_not_hide_the_first(composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(UserError, match=r"model.fnal=1: .* did you mean 'final'"):
        composed("model.fnal=1", "trainer.max_stepps=3")


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: a.B\nhidden: [64, 64\n")
    with pytest.raises(UserError, match=r"mine.yaml.*, line \d+: "):
        compose("train", [f"hydra.searchpath=['file://{tmp_path}']", "model=mine"])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Could not override 'x'."),
        ValueError("x: expected shape [n, 2]"),
        UserError("x: explained already"),
    ],
    ids=repr,
)
def test_what_needs_no_explanation_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained("train", []):
        raise error
    assert caught.value is error
    assert error.__cause__ is None


def test_a_mistake_that_was_told_by_way_of_another_error_is_explained_once() -> None:
    mistake, wrapper = UserError("x=1: expected 2"), HydraException("while composing")
    wrapper.__cause__ = mistake
    # Raised from the error that it caused, the mistake closes a ring of causes.
    with pytest.raises(UserError) as caught, explained("train", []), explained("train", []):
        raise wrapper
    assert caught.value is mistake
    assert mistake.__cause__ is wrapper


def test_choices_and_no_hydra_node(composed: Callable[..., DictConfig]) -> None:
    config = composed("trainer=debug", "experiment=thorough")
    assert "hydra" not in config
    assert OmegaConf.to_container(config.choices) == {
        "data": "demo",
        "model": "demo",
        "objective": "maximum_likelihood",
        "optimizer": "adam",
        "schedule": "cosine",
        "trainer": "debug",
        "logger": "tensorboard",
        "callbacks": "default",
        "experiment": "thorough",
    }


def test_twice_and_beside_another_hydra(composed: Callable[..., DictConfig]) -> None:
    first = composed("seed=1")
    instance = GlobalHydra.instance()
    outer = instance.hydra = object()  # type: ignore[assignment]
    try:
        second = composed("seed=1")
        with pytest.raises(UserError):
            composed("nonsense=1")
        assert GlobalHydra.instance() is instance
        assert instance.hydra is outer
    finally:
        instance.clear()
    assert first == second


@pytest.mark.parametrize("key", ["data.file", "data.path"])
def test_files_are_named_from_the_root(
    composed: Callable[..., DictConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")

    def read(value: str) -> object:
        return OmegaConf.select(composed(f"+{key}={value}"), key)

    assert read("folder/mine.py") == str(tmp_path / "folder" / "mine.py")
    assert read("'~/mine.py'") == "/home/me/mine.py"
    assert read("/elsewhere/mine.py") == "/elsewhere/mine.py"
    assert read("null") is None


def test_what_uses_a_file_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = compose("train", ["data=custom", "data.file=mine.py"])
    check(config)
    assert config.data.target.file == config.data.file == str(tmp_path / "mine.py")


def test_a_missing_file_is_asked_for_by_the_key_that_sets_it() -> None:
    with pytest.raises(UserError) as caught:
        check(compose("train", ["data=custom"]))
    assert str(caught.value) == "data.file: missing; set it by data.file=VALUE"


def test_a_warm_start_is_a_path_or_a_name(
    composed: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "run").mkdir(parents=True)
    (tmp_path / "outputs" / "run" / "run.json").touch()
    for word, kept in {
        "outputs/run": str(tmp_path / "outputs" / "run"),
        "run": str(tmp_path / "outputs" / "run"),
        "other": "other",
        "latest": str(tmp_path / "outputs" / "run"),  # stays this one when others are started
        "null": None,
    }.items():
        assert composed(f"trainer.warm_start={word}").trainer.warm_start == kept


def test_the_command_line_wins_over_recipes(composed: Callable[..., DictConfig]) -> None:
    config = composed("trainer=overfit", "experiment=thorough")
    assert (config.data.train_size, config.trainer.max_steps) == (64, 40000)
    config = composed("trainer=overfit", "experiment=thorough", "trainer.max_steps=7")
    assert config.trainer.max_steps == 7
    check(config)


def test_the_folder_costs_no_hydra() -> None:
    program = "import sys, genlab.config as c; c.config_dir(); print('hydra' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    assert (config_dir() / "train.yaml").is_file()


def test_what_a_recipe_sets_of_a_part_goes_with_the_part() -> None:
    recipe = "experiment=pinn_sharp_peak"
    assert compose("solve", [recipe]).sampler.candidates == 40000
    assert compose("solve", [recipe, "sampler=rad"]).sampler.candidates == 40000
    replaced = compose("solve", [recipe, "sampler=sobol"])
    check(replaced)
    assert "candidates" not in replaced.sampler
    with pytest.raises(UserError, match="Sobol takes no 'candidates'"):
        check(compose("solve", [recipe, "sampler=sobol", "sampler.candidates=3"]))
