"""The table of what has had another name: rows that hold, and readers that go by it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch
from old_answers import bring
from omegaconf import OmegaConf

from genlab.cli.main import main
from genlab.config.check import SUPPLIED, check_node
from genlab.config.stored import read_config
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.runs import renamed
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.manifest import is_configured, read_manifest
from genlab.runs.renamed import (
    ROWS,
    TARGETS,
    current_config,
    current_settings,
    current_weights,
)
from genlab.runs.settings import config_hash, flatten

PUT = {value for row in ROWS for key, value in row.put.items() if key.endswith("_target_")}


@pytest.mark.parametrize(
    "target", sorted(PUT | {*TARGETS.values()} | {row[0] for row in renamed.WEIGHTS})
)
def test_what_something_is_called_now_is_there(target: str) -> None:
    module, _, name = target.rpartition(".")
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_what_something_was_called_is_no_name_of_today(target: str) -> None:
    assert TARGETS[target] not in TARGETS
    module, _, name = target.rpartition(".")
    with pytest.raises((ImportError, AttributeError)):
        getattr(import_module(module), name)


def test_targets_in_lists_are_renamed_too() -> None:
    old = {"callbacks.all": [{"_target_": "genlab.samplers.Uniform", "every": 3}, "text"]}
    now = {"callbacks.all": [{"_target_": "genlab.samplers.UniformSampler", "every": 3}, "text"]}
    assert current_settings(old) == now
    assert current_settings(now) == now


def test_tags_were_once_a_list() -> None:
    node = {"_target_": "genlab.learning.loggers.WandB", "tags": ["mine", "v1.2"]}
    now = {**node, "tags": {"tag_1": "mine", "tag_2": "v1.2"}}
    for old, new in (node, now), (now, now), ({**node, "tags": []}, {**node, "tags": None}):
        config = current_config({"logger": {"wandb": old}})
        assert config == {"logger": {"wandb": new}}
        check_node("logger", config["logger"], SUPPLIED["logger"])


def test_a_fit_of_a_sampler_is_an_objective_with_its_own_prices() -> None:
    fit = {"_target_": "genlab.samplers.RegularisedFit", "steps": 60, "kinetic": 0.5}
    told = current_settings(flatten({"command": "solve", "sampler": {"fit": fit}}))
    assert told["objective._target_"] == "genlab.objectives.RegularisedLikelihood"
    assert told["objective.kinetic"] == 0.5
    assert told["sampler.fit._target_"] == "genlab.samplers.Descent"
    assert told["sampler.fit.steps"] == 60
    assert "sampler.fit.kinetic" not in told


def test_a_solver_of_log_densities_is_called_so_and_of_samples_by_its_method() -> None:
    old = {"choices.solver": "adaptive", "choices.solver@model.evaluation": "adaptive"}
    now = {"choices.solver": "dopri8", "choices.solver@model.evaluation": "log_density"}
    assert current_settings(old) == now


def test_weights_of_one_family_are_renamed_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (("a.Flow", r"layers\.(\d+)\.net\.(.*)", r"layers.\1.conditioner.\2"),)
    monkeypatch.setattr(renamed, "WEIGHTS", rows)
    old = {"model.layers.3.net.0.bias": 1, "layers.0.net.weight": 2, "other.layers.0.net.x": 3}
    assert current_weights("a.Flow", old, prefix="model.") == {
        "model.layers.3.conditioner.0.bias": 1,
        "layers.0.conditioner.weight": 2,
        "other.layers.0.net.x": 3,
    }
    assert current_weights("another.Flow", old) == old


def test_both_records_of_an_old_run_are_read_alike(tmp_path: Path) -> None:
    bring(tmp_path)
    runs = [RunDirectory(path.parent) for path in tmp_path.rglob("run.json")]
    assert len(runs) == 16
    for run in runs:
        config = OmegaConf.to_container(read_config(run))
        assert isinstance(config, dict)
        manifest = read_manifest(run)
        assert flatten(config) == manifest["config"]
        assert is_configured(run, config)
        if "files" in manifest and not config["data"].get("path"):
            assert manifest["config_hash"] == config_hash(config)


def test_an_old_file_is_left_as_it_is(tmp_path: Path) -> None:
    bring(tmp_path)
    run = RunDirectory(tmp_path / "gmm")
    before = run.manifest.read_bytes()
    assert read_manifest(run)["config"]["choices.objective"] == "em"
    assert read_json(run.manifest)["config"]["choices.objective"] == "mixture"
    assert run.manifest.read_bytes() == before


def test_the_passes_of_an_old_checkpoint_have_their_present_name(tmp_path: Path) -> None:
    bring(tmp_path)
    last = RunDirectory(tmp_path / "gmm").last
    old = torch.load(last, weights_only=True)
    now = load_checkpoint(last)
    assert now.keys() == {*old, "passes"} - {"em"}
    assert now["passes"].keys() == old["em"].keys()


def _spoil(run: Path, damage: str) -> str:
    """Damage a weight in both checkpoints, the sampler's model of a solve; its name."""
    name = ""
    for path in (run / "checkpoints").glob("*.ckpt"):
        checkpoint = torch.load(path, weights_only=True)
        weights = checkpoint["state_dict"]
        if "solve" in checkpoint:
            weights = checkpoint["solve"]["sampler"]["proposal"]["model"]
        name = next(key for key in weights if key.endswith("bias"))
        if damage == "missing":
            del weights[name]
        elif damage == "surplus":
            name = name.replace("bias", "more")
            weights[name] = torch.zeros(1)
        else:
            weights[name] = torch.zeros(len(weights[name]) + 1)
        torch.save(checkpoint, path)
    return name.removeprefix("model.")


@pytest.mark.parametrize(
    "words",
    [
        "evaluate realnvp",
        "resume realnvp trainer.max_steps=60",
        "train model=realnvp model.layers=2 model.hidden=[8] data=moons trainer.warm_start=realnvp",
        "evaluate das",
        "resume das trainer.max_steps=40",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "surplus", "shape"])
def test_a_checkpoint_never_loads_in_part(
    words: str,
    damage: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bring(tmp_path)
    monkeypatch.chdir(tmp_path)
    run = "das" if "das" in words else "realnvp"
    name = _spoil(tmp_path / run, damage)
    assert main(words.split()) == (2 if "warm_start" in words else 1)
    first, second = capsys.readouterr().err.strip().splitlines()[-2:]
    assert f"{run}/checkpoints/" in first
    assert "another model" in first
    assert f"{name}'" in first
    assert second.startswith("made by genlab 0.1.0 at 98791f1; this is genlab ")
    assert not list(tmp_path.glob("outputs/**/run.json"))


@pytest.mark.parametrize(
    "words", ["evaluate nice", "resume nice", "rerun nice", "rerun nice seed=1"]
)
def test_a_target_of_no_name_today_is_refused_with_the_version_to_use(
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bring(tmp_path)
    monkeypatch.chdir(tmp_path)
    for file in (tmp_path / "nice" / "config.yaml", tmp_path / "nice" / "run.json"):
        file.write_text(file.read_text().replace("genlab.models.NICE", "genlab.models.Gone"))
    assert main(words.split()) == 2
    first, second = capsys.readouterr().err.strip().splitlines()
    assert "nice: model._target_=genlab.models.Gone: no 'Gone'" in first
    assert "use the version that made this run, genlab 0.1.0 at 98791f1; this is genlab" in second
