"""What a problem, a sampler and a network take by default is what their files in configs/ say."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields, is_dataclass
from inspect import Parameter, signature
from typing import Any

import pytest

from genlab.config import config_dir
from genlab.config.compose import compose
from genlab.config.stored import plain
from genlab.config.targets import locate

SAMPLERS = ("uniform", "lhs", "sobol", "rad", "rar_d", "r3", "das", "bootstrap", "aas")
PROBLEMS = sorted({path.stem for path in (config_dir() / "problem").glob("*.yaml")} - {"custom"})
# What the loop round the sampler reads, and what a description of another object fills.
OTHERS = {"_target_", "refresh", "redraw", "rounds", "fit", "objective"}


def defaults(target: Any) -> dict[str, Any]:
    """The defaults of a constructor."""
    if is_dataclass(target):
        made = {
            one.name: one.default_factory()
            for one in fields(target)
            if callable(one.default_factory)
        }
        return made | {
            one.name: one.default for one in fields(target) if one.default is not MISSING
        }
    parameters = signature(target).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not Parameter.empty}


def compare(node: dict[str, Any]) -> None:
    found = defaults(locate("target", node["_target_"]))
    written = {key: value for key, value in node.items() if key not in OTHERS}
    assert {key: listed(found[key]) for key in written} == written, node["_target_"]


def listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("number", range(max(len(SAMPLERS), len(PROBLEMS))))
def test_defaults(number: int) -> None:
    sampler, problem = SAMPLERS[number % len(SAMPLERS)], PROBLEMS[number % len(PROBLEMS)]
    # Bootstrap's own family has a fit of its own, the samplers' is that of a likelihood.
    family = ["model=krnet"] if sampler == "bootstrap" else []
    # What a solve by gradients takes; steps by least squares suggest other numbers.
    words = [f"sampler={sampler}", f"problem={problem}", "optimizer=adam", *family]
    config = plain(compose("solve", words))
    for section in ("sampler", "problem", "pinn"):
        compare(config[section])
    if sampler in ("das", "bootstrap", "aas"):
        del config["sampler"]["fit"]["_target_"]
        made = defaults(locate("sampler", config["sampler"]["_target_"]))
        assert asdict(made["fit"]) == config["sampler"]["fit"]


def test_defaults_of_a_users_own_problem() -> None:
    words = ["problem=custom", "problem.file=own.py", "optimizer=adam"]
    problem = plain(compose("solve", words))["problem"]
    compare({key: value for key, value in problem.items() if key != "file"})


def test_defaults_of_a_residual() -> None:
    data = plain(compose("train", ["data=pinn_residual", "model=realnvp"]))["data"]
    compare({key: value for key, value in data.items() if key != "event_shape"})
