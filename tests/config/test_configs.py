"""Every file in configs/: described, composable, and accepted by the check."""

from __future__ import annotations

from pathlib import Path

import pytest

from genlab.config import config_dir
from genlab.config.check import check
from genlab.config.composition import compose

GROUPS = (
    "callbacks",
    "coupling",
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
    "trainer",
)
FILES = sorted(config_dir().rglob("*.yaml"))
OPTIONS = [
    f"{path.parent.name}={path.stem}"
    for path in FILES
    if path.parent.name in GROUPS
    and path.parent.parent == config_dir()
    and path.stem != "image_folder"  # reads a folder, which its own tests make
]
# Shared by other files, or without a value that only the user has.
ALONE = {
    **{f"observation={name}": ["model=vae"] for name in ("gaussian", "bernoulli", "logistic")},
    "data=toy": ["+data.target={_target_: genlab.targets.Moons}"],
    "data=maf": ["data._target_=genlab.data.Power", "data.event_shape=[6]"],
    "data=table": [f"data.path={Path(__file__).parent / 'three.csv'}"],
    "data=images": ["+data.source={_target_: genlab.data.Digits}", "data.event_shape=[1,8,8]"],
    "data=custom": ["data.file=my_target.py"],
    "objective=em": ["model=gmm"],
    "objective=mixture_descent": ["model=gmm"],
    "problem=custom": ["problem.file=my_pde.py"],
    "sampler=model_based": [
        "sampler._target_=genlab.samplers.DAS",
        "+sampler.fit={_target_: genlab.samplers.Descent, steps: 5, lr: 1, batch_size: 9}",
        "+sampler.fit.gradient_clip=1",
        "+sampler.added=null",
    ],
    "sampler=taught": ["sampler._target_=genlab.samplers.DAS", "+sampler.added=null"],
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(config_dir())))
def test_starts_with_one_line_of_description(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ")
    assert len(first) <= 100


# Parts of one family.
PARTS = ("coupling", "network", "path", "solver", "objective=flow_matching")


# Of a solve.
SOLVES = ("indicator", "pinn", "problem", "sampler", "experiment=pinn_")


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_passes_the_check(option: str) -> None:
    family = ["model=flow-matching"] if option.startswith(PARTS) else []
    command = "solve" if option.startswith(SOLVES) else "train"
    check(compose(command, [*family, option, *ALONE.get(option, [])]))


FAMILIES = [option for option in OPTIONS if option.startswith("model=")]


@pytest.mark.parametrize("sampler", ["das", "bootstrap"])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_taught_in_its_own_way(family: str, sampler: str) -> None:
    config = compose("solve", [family, f"sampler={sampler}"])
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
