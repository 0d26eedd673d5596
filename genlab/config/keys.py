"""Keys of the configuration: the nearest to one that does not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hydra.errors import HydraException
from omegaconf import OmegaConf

from genlab.config import config_dir
from genlab.config.primary import compose_raw
from genlab.errors import nearest

__all__ = ["as_written", "known_keys", "no_such_key", "split"]

FEW = 5
# Keys that were, and what is written instead.
INSTEAD = {"model.fit": "objective=em or objective=mixture_descent"}


def split(override: str) -> tuple[str, str]:
    """Key and value of an override, without its sign."""
    key, _, value = override.lstrip("+~").partition("=")
    return key, value


def as_written(key: str, overrides: Sequence[str]) -> str:
    """The override that sets ``key``, without its sign."""
    return next((word.lstrip("+~") for word in overrides if split(word)[0] == key), key)


def known_keys(command: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration, unresolved; with the choices only where another override is wrong too."""
    choices = [word for word in overrides if _is_choice(word)]
    for words in (overrides, choices, ()):
        try:
            config = compose_raw(command, words)
        except (HydraException, ValueError):
            continue
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    return {}


def _is_choice(override: str) -> bool:
    key, _ = split(override)
    return key == "hydra.searchpath" or (config_dir() / key).is_dir()


def no_such_key(key: str, config: Mapping[str, Any]) -> str:
    """What there is in the place of a key that there is not."""
    if key in INSTEAD:
        return f"no such key any more; write {INSTEAD[key]}"
    node: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        section = ".".join(parts[:depth])
        if not isinstance(node, Mapping):
            return f"{section} is one value, without keys of its own"
        if part not in node:
            return _nearest_key(part, section, node, config)
        node = node[part]
    return "no such key"


def _nearest_key(
    name: str, section: str, node: Mapping[str, Any], config: Mapping[str, Any]
) -> str:
    if section and (options := _options_with(name, section)):
        elsewhere = " or ".join(f"{section}={option}" for option in options)
        return f"no {name!r} in this {section}; choose {elsewhere}"
    flat = [known for known in _flat(config) if not known.startswith("hydra.")]
    twins = sorted(known for known in flat if known.endswith(f".{name}"))
    if twins:
        return f"no such key; did you mean {twins[0]!r}?"
    choices = [known for known in node if known != "hydra" and not known.startswith("_")]
    if not choices:
        return f"{section} has no keys"
    where = f" in {section}" if section else ""
    return f"no {name!r}{where}; {nearest(name, choices)}"


def _options_with(name: str, section: str) -> list[str]:
    """The choices of a group that have a key, where these are but a few."""
    files = (config_dir() / section).glob("[!_]*.yaml")
    options = [file.stem for file in files if name in _own(file)]
    return sorted(options) if len(options) <= FEW else []


def _own(file: Path) -> dict[str, Any]:
    """The keys of a choice, with those of the choices that it builds on."""
    text = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(file), resolve=False))
    names = (name for name in text.pop("defaults", ()) if isinstance(name, str))
    bases = [file.parent / f"{name}.yaml" for name in names]
    node = text.get(file.parent.name)
    inherited = {
        key: value for base in bases if base.is_file() for key, value in _own(base).items()
    }
    return inherited | (node if isinstance(node, dict) else text)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
