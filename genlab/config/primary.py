"""The primary configs, one a command: the groups of each, and their composition by Hydra.

Each has a section `suggested`: what a family and a kind of data want of the optimiser and the
trainer. Options read it, ``lr: ${suggested.lr}``, and the user sets what reads it,
``optimizer.lr=1e-3``. So every choice of the user wins, also that of another option, and the
section itself is none of a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from genlab.config import config_dir
from genlab.config.files import read_strictly
from genlab.errors import UserError
from genlab.runs.settings import flatten

__all__ = [
    "VERSION_BASE",
    "belongs_elsewhere",
    "compose_raw",
    "fill_suggestions",
    "own_groups",
    "primary",
    "refuse_suggested",
]

VERSION_BASE = "1.3"
SUGGESTED = "suggested"
WORD = re.compile(rf"[+~]*({SUGGESTED}\b[\w.]*)(=.*)?", re.DOTALL)
FOLLOWS = re.compile(r"[+~]*(kind|preset)\b(?!\.)")
EXAMPLE = "the key that reads it, such as optimizer.lr=VALUE"


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


def compose_raw(command: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of ``command`` with the ``hydra`` node still in it, suggestions filled.

    With Hydra's own errors, and also inside a running application of Hydra.

    Raises:
        UserError: The user set what only genlab suggests.
    """
    refuse_suggested(command, overrides)
    config = _compose(command, overrides)
    fill_suggestions(config)
    return config


def fill_suggestions(config: DictConfig) -> None:
    """Put what is suggested in the place of what reads it, and leave the section out.

    Args:
        config: As Hydra composed it; changed in place.
    """
    if SUGGESTED in config:
        of_data = _readers(config, "data")
        for key in _readers(config, SUGGESTED):
            with suppress(OmegaConfBaseException):  # for the check to tell
                value = OmegaConf.select(config, key)
                # What the data's files are yet to tell is null.
                if value is not None or key not in of_data:
                    OmegaConf.update(config, key, value)
        with open_dict(config):
            del config[SUGGESTED]


def refuse_suggested(command: str, overrides: Sequence[str]) -> None:
    """Refuse to set what only genlab suggests, or to choose what it follows from.

    Raises:
        UserError: One of the overrides does; it names the key to write instead.
    """
    for word in overrides:
        if FOLLOWS.match(word):
            raise UserError(f"{word}: follows from the model and the data, cannot be chosen")
        if found := WORD.fullmatch(word):
            inside = found[1] != SUGGESTED
            readers = _readers(_compose(command, ()), found[1]) if inside else []
            instead = f"{readers[0]}{found[2] or ''}" if readers else EXAMPLE
            raise UserError(f"{word}: filled by genlab, cannot be set; write {instead}")


def _compose(command: str, overrides: Sequence[str]) -> DictConfig:
    read_strictly()
    with _outer_hydra_aside():
        hydra.initialize_config_dir(
            config_dir=str(config_dir()), job_name=command, version_base=VERSION_BASE
        )
        return hydra.compose(command, list(overrides), return_hydra_config=True)


@contextmanager
def _outer_hydra_aside() -> Iterator[None]:
    """Hydra allows one application a process: lay the present one aside, and put it back."""
    present = GlobalHydra.instance()
    outer, present.hydra = present.hydra, None
    try:
        yield
    finally:
        present.hydra = outer


@cache  # a sweep asks for each of its jobs
def _read(file: Path) -> Mapping[str, Any]:
    text = OmegaConf.load(file)
    return cast(dict[str, Any], OmegaConf.to_container(text, resolve=False))


def _readers(config: DictConfig, wanted: str) -> list[str]:
    """The keys that read a key, or one below it."""
    raw = flatten(OmegaConf.to_container(config, resolve=False))  # type: ignore[arg-type]
    reads = re.compile(rf"\$\{{(\w[\w.]*:)?{re.escape(wanted)}\b")
    return [
        key
        for key, value in raw.items()
        if isinstance(value, str) and reads.search(value) and not key.startswith(f"{SUGGESTED}.")
    ]
