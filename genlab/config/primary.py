"""The primary configs, one a command: the groups that each lets its user choose from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from genlab.config.places import config_dir

__all__ = ["belongs_elsewhere", "own_groups", "primary"]


def primary(command: str) -> Mapping[str, Any]:
    """What ``configs/COMMAND.yaml`` says, its defaults list included."""
    return _read(config_dir() / f"{command}.yaml")


def own_groups(command: str) -> dict[str, str | None]:
    """The groups of a command with the option that each has by default."""
    return {
        group: option
        for entry in primary(command)["defaults"]
        if isinstance(entry, Mapping)
        for group, option in entry.items()
        if " " not in group and "@_global_" not in group
    }


def belongs_elsewhere(command: str, group: str) -> str | None:
    """Where a group belongs, if that is another command: ``sampler`` to ``genlab solve``."""
    if group in own_groups(command):
        return None
    others = sorted(path.stem for path in config_dir().glob("*.yaml") if path.stem != command)
    owner = next((other for other in others if group in own_groups(other)), None)
    return owner and f"no choice of `genlab {command}`; `genlab {owner}` has it"


@cache  # a sweep asks for each of its jobs
def _read(file: Path) -> Mapping[str, Any]:
    text = OmegaConf.load(file)
    return cast(dict[str, Any], OmegaConf.to_container(text, resolve=False))
