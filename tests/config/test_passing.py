"""Keys that a section passes on to what is nested in it: ``data.dim`` for the target's ``dim``."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from genlab.bounds import PositiveInt
from genlab.config.build import build
from genlab.config.check import check_node
from genlab.errors import UserError


class Target:
    def __init__(self, dim: PositiveInt, scale: float = 1.0) -> None:
        self.dim, self.scale = dim, scale


class Data:
    def __init__(self, target: Target, *, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed={seed}: expected at least 0")
        self.target, self.seed = target, seed


def slip() -> None:
    (_,) = (1, 2)


def section(**changes: Any) -> DictConfig:
    target = {"_target_": f"{__name__}.Target", "dim": "${data.dim}"}
    data = {"_target_": f"{__name__}.Data", "dim": 3, "target": target, "seed": 0}
    return OmegaConf.create({"data": {**data, **changes}})


def checked(config: DictConfig) -> None:
    check_node("data", OmegaConf.to_container(config, resolve=True)["data"])


def test_a_refusal_names_its_key_and_a_slip_its_line() -> None:
    with pytest.raises(UserError, match=r"data\.seed=-1: expected at least 0"):
        build(section(seed=-1), "data")
    slip = r"data: .*, in .*test_passing\.py, line \d+"
    with pytest.raises(UserError, match=slip):
        build(OmegaConf.create({"data": {"_target_": f"{__name__}.slip"}}), "data")


@pytest.mark.parametrize("resolved", [False, True])
def test_legal_and_dropped_before_building(resolved: bool) -> None:
    """Also in the configuration of a finished run, where interpolations are resolved."""
    config = section()
    if resolved:
        OmegaConf.resolve(config)
    checked(config)
    data = build(config, "data")
    assert data.target.dim == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": -1}, "data.dim=-1: expected an integer, at least 1"),
        ({"dim": "big"}, "data.dim=big: expected an integer, at least 1"),
        ({"dmi": 3}, "data.dmi=3: Data takes no 'dmi'; choose from: seed, target"),
        ({"scale": 2.0}, "data.scale=2.0: Data takes no 'scale'; choose from: seed, target"),
    ],
)
def test_mistakes_carry_the_key_that_was_written(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        checked(section(**changes))
    assert str(caught.value) == message


def test_two_values_for_one_thing() -> None:
    config = section()
    config.data.target.dim = 4
    with pytest.raises(UserError, match=r"data.dim=3: differs from data.target.dim=4"):
        checked(config)


def test_what_a_constructor_refuses_carries_its_key() -> None:
    with pytest.raises(UserError, match=r"^data.seed=-1: expected at least 0$"):
        build(section(seed=-1), "data")


def test_objects_are_handed_in_and_containers_are_plain() -> None:
    node = {"_target_": "types.SimpleNamespace", "widths": [64, {"a": [1]}]}
    thing = object()
    built = build(OmegaConf.create({"node": node}), "node", thing=thing)
    assert built.thing is thing
    assert type(built.widths) is list
    assert type(built.widths[1]) is dict
    make = build(OmegaConf.create({"node": {**node, "_partial_": True}}), "node")
    assert make(more=1).more == 1
