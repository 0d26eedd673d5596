"""Every file in configs/: described, composable, and accepted by the check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from genlab.config import config_dir
from genlab.config.check import check
from genlab.config.compose import compose

GROUPS = (
    "callbacks",
    "pairing",
    "data",
    "experiment",
    "indicator",
    "logger",
    "model",
    "network",
    "objective",
    "observation",
    "optimizer",
    "path",
    "pinn",
    "problem",
    "sampler",
    "schedule",
    "solver",
    "spectrum",
    "trainer",
)
FILES = sorted(config_dir().rglob("*.yaml"))
PRESETS = config_dir() / "preset"


def options(group: str) -> set[str]:
    return {path.stem for path in (config_dir() / group).glob("[!_]*.yaml")}


def kinds() -> set[str]:
    """Those that a command or the data choose."""
    chosen = re.compile(r"/?kind@_global_: (\w+)")
    files = [*config_dir().glob("*.yaml"), *(config_dir() / "data").glob("*.yaml")]
    return {kind for file in files for kind in chosen.findall(file.read_text(encoding="utf-8"))}


KINDS = kinds()
OPTIONS = [
    f"{path.parent.name}={path.stem}"
    for path in FILES
    if path.parent.name in GROUPS
    and path.parent.parent == config_dir()
    and path.stem not in ("image_folder", "fields")  # read files, which their own tests make
    and not path.stem.startswith("_")  # what others build on
]
# Parts of one family, or without a value that only the user has.
ALONE = {
    **{
        f"observation={name}": ["model=vae"]
        for name in ("gaussian", "bernoulli", "logistic", "von_mises")
    },
    **{
        f"spectrum={name}": ["data=gaussian_field"]
        for name in ("kraichnan", "matern", "mixture", "power_law")
    },
    "data=table": [f"data.path={Path(__file__).parent / 'three.csv'}"],
    "data=torsions": [f"data.path={Path(__file__).parents[1] / 'data' / 'adk_open.pdb.gz'}"],
    "data=custom": ["data.file=my_target.py"],
    "objective=em": ["model=gmm"],
    "objective=mixture_descent": ["model=gmm"],
    "problem=custom": ["problem.file=my_pde.py"],
    "optimizer=levenberg_marquardt": [],  # of a solve
    "optimizer=ssbroyden": [],  # of a solve
}


def read(path: Path) -> dict[str, Any]:
    text: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    return text or {}


def test_the_files_are_few_and_at_most_one_is_of_a_pair() -> None:
    assert len(FILES) <= 260
    # Any other file that is called by two options would be a second one of a pair.
    families, samplers = options("model"), options("sampler")
    for path in set(FILES) - {*PRESETS.rglob("*.yaml")}:
        pair = set(re.split("[-/]", str(path.relative_to(config_dir()).with_suffix(""))))
        assert not (pair & families and pair & (samplers | KINDS)), path


@pytest.mark.parametrize("path", sorted(PRESETS.rglob("*.yaml")), ids=lambda p: f"{p.parent.stem}")
def test_a_preset_is_of_a_family_and_a_kind_of_data(path: Path) -> None:
    owner, name = path.parent.name, path.stem
    if owner in ("sampler", "trainer"):
        assert name in options("trainer")
    elif owner == "optimizer":
        assert name in options("optimizer")
        assert read(path).keys() == {"suggested"}
    elif path.parent.parent.name == "objective":
        assert owner in options("objective")
        assert name in KINDS
    elif path.parent.parent.name == "network":
        assert owner in options("model")
        assert name in options("network")
        assert read(path).keys() <= {"model", "suggested"}
    else:
        assert owner in options("model")
        assert name in KINDS
        assert path.read_text(encoding="utf-8").startswith("# @package _global_\n# ")
        assert read(path).keys() <= {"model", "data", "suggested"}


@pytest.mark.parametrize("family", sorted(options("model")))
def test_a_family_is_described_in_the_one_shape(family: str) -> None:
    path = config_dir() / "model" / f"{family}.yaml"
    assert path.read_text(encoding="utf-8").startswith("# @package _global_\n# ")
    text = read(path)
    assert {"model"} <= text.keys() <= {"defaults", "model", "suggested"}
    given = list(text["model"].items())[:4]
    assert given[0][0] == "_target_"
    assert dict(given[1:]) == {
        "event_shape": "${data.event_shape}",
        "context_dim": "${oc.select:data.context_dim,0}",
        "labels": "${oc.select:data.labels,0}",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(config_dir())))
def test_starts_with_one_line_of_description(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ")
    assert len(first) <= 100


# Parts of one family.
PARTS = ("pairing", "network", "path", "solver", "objective=flow_matching")


# Of a solve.
SOLVES = ("indicator", "pinn", "problem", "sampler", "experiment=pinn_")
SOLVES += ("optimizer=levenberg", "optimizer=ssbroyden")


# What a choice of another of them takes nothing from: one of each in one command.
TOGETHER = [
    [option for option in OPTIONS if option.startswith(f"{group}=") and option not in ALONE]
    for group in ("data", "optimizer", "schedule", "trainer", "callbacks", "logger")
]
ROWS = [
    [options[turn % len(options)] for options in TOGETHER]
    for turn in range(max(map(len, TOGETHER)))
]


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_options_of_a_training_pass_the_check_together(row: list[str]) -> None:
    check(compose("train", ["model=realnvp", *row]))


@pytest.mark.parametrize("option", [one for one in OPTIONS if not any(one in r for r in ROWS)])
def test_each_option_passes_the_check(option: str) -> None:
    family = ["model=flow-matching"] if option.startswith(PARTS) else []
    command = "solve" if option.startswith(SOLVES) else "train"
    check(compose(command, [*family, option, *ALONE.get(option, [])]))


FAMILIES = [option for option in OPTIONS if option.startswith("model=")]


@pytest.mark.parametrize("sampler", ["das", "bootstrap"])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_taught_in_its_own_way(family: str, sampler: str) -> None:
    config = compose("solve", [family, f"sampler={sampler}", "optimizer=adam"])
    check(config)
    assert config.choices.sampler == sampler
    # The network's own, whatever the family wants.
    assert config.optimizer.betas == [0.9, 0.99]


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_is_empty(group: str) -> None:
    assert any(option.startswith(f"{group}=") for option in OPTIONS)


def test_the_defaults_pass_the_check() -> None:
    config = compose("train", [])
    check(config)
    assert (config.choices.model, config.choices.data) == ("realnvp", "moons")
    assert config.seed == 0


@pytest.mark.parametrize("model", [o for o in OPTIONS if o.startswith("model=")])
def test_every_family_has_settings_for_images(model: str) -> None:
    config = compose("train", [model, "data=digits"])
    check(config)
    assert config.model.event_shape == [1, 8, 8]
