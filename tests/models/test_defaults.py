"""What stands in a family's signature is what its option says: built both ways, it is one model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from properties import FAMILIES
from torch import nn

from genlab.config.build import build
from genlab.config.compose import compose


def plain(value: object) -> Any:
    """Something to compare: lists are tuples, objects are their class and attributes."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        return type(value), plain(vars(value))
    return value


def attributes(model: nn.Module) -> dict[str, Any]:
    """The class and the own attributes of each submodule, by its name."""
    hidden = set(vars(nn.Module()))
    return {
        name: (type(part), {k: plain(v) for k, v in vars(part).items() if k not in hidden})
        for name, part in model.named_modules()
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_the_defaults_are_those_of_the_configuration(name: str) -> None:
    config = compose("train", [f"model={name}", "data=moons"])
    torch.manual_seed(5)
    configured = build(config, "model")
    torch.manual_seed(5)
    built = type(configured)(2)
    assert attributes(built) == attributes(configured)
    expected = configured.state_dict()
    assert built.state_dict().keys() == expected.keys()
    for key, value in built.state_dict().items():
        assert torch.equal(value, expected[key]), key
