"""The file that a search writes trains what its best trial has trained, whatever that was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from small import write_table

from genlab.assembly import describe
from genlab.cli.recipe import write_recipe
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.stored import plain

RECIPES = [
    "experiment=thorough",
    "experiment=thorough model=nsf data=rings trainer.ema=0.99 model.bins=16",
    "experiment=thorough model=krnet data=digits",  # whose preset is for images
    "experiment=ffjord_mnist model.network.channels=[8,8]",
    "experiment=ot_cfm_moons_to_eight_gaussians",
    "experiment=iwae_mnist data=digits observation=gaussian",
    "experiment=energy_u1 model=nsf",
    "experiment=torus seed=3 data.seed=5",
    "model=cnf data=digits trainer=debug optimizer=adamw schedule=linear",
    "model=gmm data=table data.path=points.csv model.components=3",
    "model=flow-matching data=moons solver@model.evaluation=euler model.source=rings",
    "model=realnvp trainer=overfit callbacks.images=null +optimizer.amsgrad=true",
]


def made(*words: str) -> DictConfig:
    """The configuration that a run of these words keeps."""
    config = compose("train", words)
    check(config)
    describe(config)
    return config


def but_the_recipe(config: DictConfig) -> dict[str, Any]:
    whole = plain(config)
    whole["choices"].pop("experiment", None)
    return whole


@pytest.mark.parametrize("words", RECIPES)
def test_the_file_holds_all_that_differs(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    trained = made(*words.split())
    path = tmp_path / "conf" / "experiment" / "best.yaml"
    again = write_recipe(trained, path, "The best.", words.split())
    assert again == ["--config-dir", str(tmp_path / "conf"), "experiment=best"]
    assert path.read_text().startswith("# @package _global_\n# The best.\ndefaults:\n")
    found = made("experiment=best", f"hydra.searchpath=['file://{tmp_path / 'conf'}']")
    assert but_the_recipe(found) == but_the_recipe(trained)


def test_what_no_file_can_say_is_in_the_words(tmp_path: Path) -> None:
    trained = made("model=nice", "~callbacks.progress", "trainer.max_steps=7")
    path = tmp_path / "conf" / "experiment" / "best.yaml"
    where, folder, *words = write_recipe(trained, path, "The best.", [])
    assert where == "--config-dir"
    assert words[0] == "experiment=best"
    assert all(word.startswith("~callbacks.progress.") for word in words[1:])
    found = made(f"hydra.searchpath=['file://{folder}']", "experiment=best", "~callbacks.progress")
    assert but_the_recipe(found) == but_the_recipe(trained)


def test_options_of_the_users_own_are_found_again(tmp_path: Path) -> None:
    own = tmp_path / "own" / "model" / "mine.yaml"
    own.parent.mkdir(parents=True)
    OmegaConf.save({"_target_": "genlab.models.NICE", "event_shape": [2]}, own)
    word = f"hydra.searchpath=['file://{tmp_path / 'own'}']"
    trained = made("model=mine", word)
    path = tmp_path / "conf" / "experiment" / "best.yaml"
    words = write_recipe(trained, path, "The best.", ["model=mine", word])
    assert but_the_recipe(made(*words)) == but_the_recipe(trained)
    assert "override /model: mine" in path.read_text()


def test_a_table_that_is_edited_since_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    trained = made("model=gmm", "data=table", "data.path=points.csv")
    path = tmp_path / "conf" / "experiment" / "best.yaml"
    write_recipe(trained, path, "The best.", [])
    with (tmp_path / "points.csv").open("a") as file:
        file.write("0.5\n")
    found = made("experiment=best", f"hydra.searchpath=['file://{tmp_path / 'conf'}']")
    assert found.data.checksums != trained.data.checksums
    assert found.data.path == trained.data.path
