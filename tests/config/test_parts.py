"""Groups and keys of one name: ``path=linear`` is of the model, ``data.path`` a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from small import write_images, write_table

from genlab.config import PARTS, config_dir, place
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.primary import own_groups
from genlab.config.recompose import recompose
from genlab.config.stored import plain
from genlab.errors import UnusedError, UserError

GROUPS = own_groups("train").keys() | own_groups("solve").keys()
# A model that takes each part, and a data set whose kind chooses it.
TAKES = {
    "pairing": ["model=flow-matching"],
    "network": ["model=cnf"],
    "observation": ["model=vae"],
    "path": ["model=flow-matching"],
    "solver": ["model=flow-matching"],
}
ADK = Path(__file__).parents[1] / "data" / "adk_open.pdb.gz"


def read(file: Path) -> dict[str, Any]:
    text: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    return text or {}


def twins() -> list[tuple[str, str, str]]:
    """``(group, option, key)``: each key of an option that is called like a group it is not."""
    found = []
    for file in sorted(config_dir().glob("*/*.yaml")):
        group, text = file.parent.name, read(file)
        section = text.get(group) if isinstance(text.get(group), dict) else text
        for key in sorted(section.keys() & GROUPS - {group}):
            is_part = PARTS.get(key) == group and isinstance(section[key], dict)
            if group in GROUPS - {"experiment"} and not is_part:
                found.append((group, file.stem, key))
    return found


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_an_option_stands_where_its_file_says(group: str) -> None:
    for file in (config_dir() / group).glob("*.yaml"):
        package = re.match(r"# @package (\S+)", file.read_text(encoding="utf-8"))
        if package is None or package[1] != "_global_":
            assert place(group) == (group if package is None else package[1]), file


@pytest.mark.parametrize("twin", twins(), ids="-".join)
def test_a_key_that_is_called_like_a_group_is_no_choice_of_it(
    twin: tuple[str, str, str], tmp_path: Path
) -> None:
    group, option, key = twin
    write_images(tmp_path / "images", 10)
    write_table(tmp_path)
    np.save(tmp_path / "fields.npy", np.random.default_rng(0).normal(size=(40, 1, 8, 8)))
    files = {"table": "points.csv", "image_folder": "images", "fields": "fields.npy"}
    path = (files | {"torsions": ADK}).get(option)
    chosen = [f"{group}={option}", *([f"data.path={tmp_path / path}"] if path else [])]
    takes = TAKES.get(key, []) if group != "model" else ["data=digits"]
    check(compose("train", [*takes, *chosen]))
    for file in (config_dir() / key).glob("*.yaml"):
        word = f"{key}={file.stem}"
        if group == "model":
            with pytest.raises(UnusedError, match=f"^{word}: nothing uses it"):
                check(compose("train", [*chosen, word]))
        else:
            check(compose("train", [*takes, *chosen, word]))


class Own:
    def __init__(self, event_shape: Any, data: int, schedule: str, trainer: bool, path: str):
        self.all = event_shape, data, schedule, trainer, path


def test_a_users_model_may_call_its_keys_like_groups(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "own.yaml").write_text(
        f"# Mine.\n_target_: {__name__}.Own\nevent_shape: ${{data.event_shape}}\n"
        "data: 3\nschedule: slow\ntrainer: true\npath: a/b\n"
    )
    own = [f"hydra.searchpath=['file://{tmp_path}']", "model=own"]
    config = compose("train", own)
    check(config)
    assert (config.choices.data, config.choices.schedule) == ("moons", "cosine")
    with pytest.raises(UnusedError, match="path=linear: nothing uses it; Own has no path"):
        check(compose("train", [*own, "path=linear"]))


def test_a_part_that_is_chosen_anew_starts_from_its_own_defaults() -> None:
    words = ["model=flow-matching", "model.solver.steps=7"]
    stored = compose("train", [*words, "model.path.sigma_0=0.1"])
    changed = recompose(stored, ["path=cosine"])
    check(changed)
    assert plain(changed) == plain(compose("train", [*words, "path=cosine"]))
    assert recompose(stored, ["solver=euler"]).model.solver.steps != 7


@pytest.mark.parametrize(
    ("words", "part", "key"),
    [
        (["experiment=superres_digits"], "network=residual_mlp", "condition_shape"),
        (["model=flow-matching", "data=digits"], "network=residual_mlp", "channels"),
        (["model=cnf", "data=digits"], "solver=dopri5", "steps"),
    ],
)
def test_what_is_said_of_a_part_goes_with_the_part(words: list[str], part: str, key: str) -> None:
    where = place(part.partition("=")[0])
    assert key in OmegaConf.select(compose("train", words), where)
    check(replaced := compose("train", [*words, part]))
    assert key not in OmegaConf.select(replaced, where)
    with pytest.raises(UserError, match=f"{where}.{key}=.*: .* takes no '{key}'"):
        check(compose("train", [*words, part, f"{where}.{key}=3"]))


def test_a_spectrum_is_a_part_that_data_pass_on_to_their_target() -> None:
    config = compose("train", ["data=gaussian_field", "spectrum=matern", "data.spectrum.length=2"])
    check(config)
    assert config.data.target.spectrum == config.data.spectrum
    assert config.data.spectrum.length == 2
    for word, told in (
        ("data.spectrum.lenth=2", "no 'lenth' in data.spectrum; did you mean 'length'"),
        ("data.spectrum.length=-2", "data.spectrum.length=-2: expected a number, greater"),
        ("data.spectrum=kraichnan", "data.spectrum=kraichnan: write spectrum=kraichnan"),
    ):
        with pytest.raises(UserError, match=re.escape(told)):
            check(compose("train", ["data=gaussian_field", "spectrum=matern", word]))
    with pytest.raises(UnusedError, match="spectrum=matern: nothing uses it; TargetData has no"):
        check(compose("train", ["data=moons", "spectrum=matern"]))


def test_a_recipe_may_replace_a_part_that_a_preset_speaks_of() -> None:
    config = compose("train", ["experiment=turbulence"])
    check(config)
    assert config.choices.network == "active_scalar"
    assert "width" in compose("train", ["model=cnf", "data=turbulence"]).model.network
    # Alone it has all that the recipe has, but its clock.
    alone = compose("train", ["model=cnf", "data=turbulence", "network=active_scalar"])
    alone.trainer.max_seconds = config.trainer.max_seconds
    assert {**plain(alone), "choices": None} == {**plain(config), "choices": None}
