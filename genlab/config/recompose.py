"""A run's configuration with something changed, as if from the start; and what leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf, open_dict

from genlab.config import is_hidden, place, split
from genlab.config.compose import compose
from genlab.config.keys import override_value
from genlab.config.prune import used
from genlab.config.stored import plain
from genlab.runs.settings import CHOICE, FILES, RUNS, flatten, nested, places

__all__ = ["recipe", "recompose"]

# From these follow, as a rule, the options of all other groups.
LEADING = ("experiment", "model", "data")
OWN = (CHOICE, "command")


def recompose(stored: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Compose a run's choices anew with overrides, and keep what else was set for that run.

    A stored configuration is resolved: a seed that is changed in it would not reach what follows
    the seed. So it is composed again, and each value that the choices alone do not explain is
    taken from the run, unless an override speaks of it or of what replaces it.

    Args:
        stored: The run's configuration.
        overrides: ``group=option``, ``key=value``, ``+key=value`` and ``~key``.

    Raises:
        UserError: An override is wrong, or an option of the run is gone.
    """
    named = {split(word)[0] for word in overrides}
    choices = _choices(stored)
    before = compose(stored.command, choices)
    raw = _raw(before)
    kept = [*_set_by_hand(stored, before)]
    left = [word for word in choices if split(word)[0] not in named]
    # With another sampler, the run's choice of a model may be of no use.
    changed, _, _ = used(left, lambda words: compose(stored.command, [*words, *overrides]))
    now = _raw(changed)
    # What is chosen anew starts from its own defaults.
    anew = {
        place(group)
        for group in stored.choices.keys() | changed.choices.keys()
        if changed.choices.get(group) != stored.choices.get(group)
    }
    for key, path, value in kept:
        untouched = key not in now or raw.get(key) == now[key]
        replaced = any(f"{key}.".startswith(f"{name}.") for name in named | anew)
        if untouched and not replaced:
            _put(changed, path, value)
    return changed


def recipe(
    stored: DictConfig, searchpath: Sequence[str] = ()
) -> tuple[dict[str, str], dict[str, Any]]:
    """What leads from the defaults to a run's configuration, without the recipe it was made by.

    Args:
        stored: The run's configuration.
        searchpath: Overrides that say where options of the user's own are found.

    Returns:
        The option of each group that does not follow from the others, and the values that these do
        not explain, nested.
    """
    whole = plain(stored)
    whole["choices"].pop("experiment", None)
    own, flat = OmegaConf.create(whole), flatten(whole)
    choices = _choices(own, searchpath)
    # What only these tell is filled in again when the recipe is read, and may have changed.
    files = {key: flat[key] for key in (*FILES, *RUNS) if flat.get(key)}
    named = [f"{key}={override_value(key, file)}" for key, file in files.items()]
    before = compose(own.command, [*searchpath, *choices, *named])
    values = files | {key: value for key, _, value in _set_by_hand(own, before)}
    return dict(map(split, choices)), nested(values, whole)


def _choices(stored: DictConfig, searchpath: Sequence[str] = ()) -> list[str]:
    """The fewest options that lead to the choices of a run."""
    taken = cast(dict[str, Any], OmegaConf.to_container(stored.choices))
    words = [f"{group}={taken[group]}" for group in LEADING if group in taken]
    followed = compose(stored.command, [*searchpath, *words]).choices
    return words + [
        f"{group}={option if isinstance(option, str) else override_value(group, option)}"
        for group, option in taken.items()
        if group not in LEADING and followed.get(group) != option and not is_hidden(group)
    ]


def _set_by_hand(
    stored: DictConfig, before: DictConfig
) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Key, path and value of each setting that a run's choices do not explain.

    ``before`` is brought up to them.
    """
    whole, raw = plain(stored), _raw(before)
    was, paths = flatten(whole), places(whole)
    was = {key: value for key, value in was.items() if not key.startswith(OWN)}
    for follows in (False, True):
        # What follows another value can be compared once all the others are as they were.
        now = flatten(plain(before)) if follows else raw
        for key, value in was.items():
            if _follows(raw.get(key)) == follows and (key not in now or now[key] != value):
                _put(before, paths[key], value)
                yield key, paths[key], value


def _put(config: DictConfig, path: Sequence[Any], value: Any) -> None:
    """Set a value by its keys, whose own dots and brackets `OmegaConf.update` would split at."""
    *sections, name = path
    with open_dict(config):
        node: Any = config
        for section in sections:
            if not isinstance(node.get(section), DictConfig):
                node[section] = {}
            node = node[section]
        # An empty mapping stands for a section, whose own keys stay.
        if value != {} or not isinstance(node.get(name), DictConfig):
            node[name] = value


def _follows(value: object) -> bool:
    return "${" in str(value)


def _raw(config: DictConfig) -> dict[str, Any]:
    return flatten(cast(dict[str, Any], OmegaConf.to_container(config, resolve=False)))
