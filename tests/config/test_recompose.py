"""A run's configuration with something changed is what its own command line would have given."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from genlab.config import config_dir
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.recompose import recipe, recompose
from genlab.config.stored import plain, read_config
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.renamed import current_config

FAMILIES = sorted(path.stem for path in (config_dir() / "model").glob("*.yaml"))
FLOW = ["model=realnvp", "data=rings", "model.layers=3", "trainer.max_steps=50", "seed=2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_says_what_was_composed(family: str, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    config = compose("train", [f"model={family}"])
    run.config.write_text(OmegaConf.to_yaml(config, resolve=True))
    read = read_config(run)
    assert plain(read) == plain(config)
    changed = compose("train", [f"model={family}", "seed=3"])
    assert plain(recompose(read, ["seed=3"])) == plain(changed)


def test_keys_of_ones_own_stay_as_they_are() -> None:
    config = {"trainer": {"extra": {"a.b": 1, 3: 2}}, "choices": {"kind": "toy", "model": "nice"}}
    assert current_config(config) == {"trainer": config["trainer"], "choices": {"model": "nice"}}


@pytest.mark.parametrize(
    ("words", "changes", "together"),
    [
        (FLOW, ["seed=5"], [*FLOW, "seed=5"]),
        (FLOW, ["trainer.max_steps=8000"], [*FLOW, "trainer.max_steps=8000"]),
        # What is chosen anew starts from its own defaults, the rest stays as it was.
        (FLOW, ["model=nsf"], ["model=nsf", "data=rings", "trainer.max_steps=50", "seed=2"]),
        (["+trainer.extra=2"], ["seed=1"], ["+trainer.extra=2", "seed=1"]),
        (["callbacks.images=null"], ["seed=1"], ["callbacks.images=null", "seed=1"]),
        (["data.seed=7"], ["seed=1"], ["data.seed=7", "seed=1"]),
        (["model=flow-matching"], ["model=nice"], ["model=nice"]),
        (["experiment=torus"], ["model.layers=2"], ["experiment=torus", "model.layers=2"]),
        (
            ["model=gmm", "objective=mixture_descent"],
            ["seed=1"],
            ["model=gmm", "objective=mixture_descent", "seed=1"],
        ),
    ],
)
def test_as_if_from_the_start(words: list[str], changes: list[str], together: list[str]) -> None:
    last = {word.partition("=")[0]: word for word in together}
    assert plain(recompose(compose("train", words), changes)) == plain(
        compose("train", list(last.values()))
    )


def test_a_file_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.touch()
    words = ["data=custom", f"data.file={file}", "data.dim=3"]
    assert plain(recompose(compose("train", words), ["seed=1"])) == plain(
        compose("train", [*words, "seed=1"])
    )


def test_a_mistake_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'layers'"):
        recompose(compose("train", FLOW), ["model.layrs=1"])


def test_a_sampler_without_a_model_replaces_one_with() -> None:
    stored = compose("solve", ["sampler=das", "model=realnvp", "sampler.refresh=50", "seed=2"])
    changed = recompose(stored, ["sampler=uniform"])
    assert plain(changed) == plain(compose("solve", ["sampler=uniform", "seed=2"]))
    with pytest.raises(UserError, match="model=nsf: nothing uses it"):
        recompose(stored, ["sampler=uniform", "model=nsf"])


@pytest.mark.parametrize("bounds", [r"{a.1:[0,null],p \[GeV\]:[0,9]}", "{0:[0,9],1:[0,null]}"])
def test_columns_keep_their_names_whatever_these_hold(tmp_path: Path, bounds: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("p [GeV],a.1,b\n" + "".join(f"{n % 8},{n},{n**2 % 7}\n" for n in range(50)))
    words = ["model=gmm", "data=table", f"data.path={path}", f"data.bounds={bounds}"]
    stored = compose("train", words)
    check(stored)
    again = compose("train", [*words, "seed=3"])
    assert plain(recompose(stored, ["seed=3"])) == plain(again)
    _, values = recipe(stored)
    assert values["data"]["bounds"] == plain(stored)["data"]["bounds"]
