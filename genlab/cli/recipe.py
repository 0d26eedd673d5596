"""A run's settings as a file of the group ``experiment``: all that differs from the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from genlab.runs.files import atomic_path
from genlab.runs.settings import CHOICE, flatten

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["write_recipe"]

SEARCHPATH = "hydra.searchpath="


def write_recipe(trained: DictConfig, path: Path, comment: str, words: Sequence[str]) -> list[str]:
    """Write an experiment that trains what a run has trained.

    Args:
        trained: The configuration of the run.
        path: The file, in a folder ``experiment``.
        comment: What it is, in a line.
        words: The command line of the run, which says where a user's own options are found.

    Returns:
        The words that train it again: the choice of the file, where it is found, and what no file
        can say, such as a key that is left out.
    """
    from genlab.config.compose import compose
    from genlab.config.keys import override_value
    from genlab.config.recompose import recipe
    from genlab.config.stored import plain

    searchpath = [word for word in words if word.startswith(SEARCHPATH)]
    text = _text(*recipe(trained, searchpath))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(f"# @package _global_\n# {comment}\n{text}", encoding="utf-8")
    own, chosen = path.parent.parent.absolute(), f"experiment={path.stem}"
    where = _searchpath([*_places(searchpath), f"file://{own}"])
    was, now = (
        {key: value for key, value in flatten(plain(config)).items() if not key.startswith(CHOICE)}
        for config in (trained, compose(trained.command, [chosen, where]))
    )
    gone = [f"~{key}" for key in sorted(now.keys() - was.keys())]
    differing = sorted(key for key, value in was.items() if key not in now or now[key] != value)
    found = [where] if searchpath else ["--config-dir", str(own)]
    return [
        *found,
        chosen,
        *gone,
        *(f"++{key}={override_value(key, was[key])}" for key in differing),
    ]


def _text(choices: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """A defaults list and the values behind it."""
    from omegaconf import OmegaConf

    chosen = "".join(f"  - override /{group}: {option}\n" for group, option in choices.items())
    return f"defaults:\n{chosen}{OmegaConf.to_yaml(values) if values else ''}"


def _searchpath(places: Sequence[str]) -> str:
    quoted = ",".join(f"'{place}'" for place in places)
    return f"{SEARCHPATH}[{quoted}]"


def _places(searchpath: Sequence[str]) -> list[str]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(searchpath))
    return [str(place) for word in parsed for place in cast(list[Any], word.value())]
