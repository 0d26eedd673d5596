"""The ways to a run: from the words of a command line, from settings, from its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from omegaconf import DictConfig, OmegaConf

from genlab.assembly.export.exported import HUB, Exported, is_exported, read_exported
from genlab.assembly.run import Run
from genlab.assembly.training import Training
from genlab.config import split
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.explain import explained
from genlab.config.keys import override_value
from genlab.config.look import look_at
from genlab.config.primary import compose_raw
from genlab.config.stored import read_config
from genlab.errors import UserError, nearest
from genlab.learning.rng import rng_state, set_rng_state
from genlab.runs.directory import RunDirectory
from genlab.runs.find import resolve
from genlab.runs.manifest import read_manifest

if TYPE_CHECKING:
    from genlab.assembly.solve import Solve

__all__ = ["experiment", "from_config", "load"]

KINDS = ("train", "solve")


@overload
def experiment(
    *overrides: str, command: Literal["train"] = "train", **settings: Any
) -> Training: ...
@overload
def experiment(*overrides: str, command: Literal["solve"], **settings: Any) -> Solve: ...
def experiment(
    *overrides: str, command: Literal["train", "solve"] = "train", **settings: Any
) -> Run:
    """The run of ``genlab train``, or of another command, with the same words.

    >>> import genlab
    >>> training = genlab.experiment(model="realnvp", data="moons", trainer={"max_steps": 100})
    >>> training = genlab.experiment("model=realnvp", "data=moons", "trainer.max_steps=100")
    >>> metrics = training.fit()  # doctest: +SKIP

    Args:
        *overrides: As on the command line.
        command: What would be typed in front of them.
        **settings: The same as values: of a group its choice, of a section its keys in a mapping.

    Returns:
        A `Training`, or for ``solve`` a `Solve`; neither has a folder before its `fit`.

    Raises:
        UserError: An override is wrong, or a key is given twice; the message names the nearest
            valid choice.
    """
    if command not in KINDS:
        raise UserError(f"command={command}: no such command; {nearest(str(command), KINDS)}")
    _refuse_settings(overrides)
    words = dict(_words(settings, _mappings(command, overrides, settings)))
    for given in overrides:
        key, _ = split(given)
        if key in words:
            raise UserError(f"{given}: given twice, as {words[key]} too; leave out one of them")
    config = compose(command, [*words.values(), *overrides])
    check(config)
    look_at(config)
    return from_config(config)


def from_config(config: DictConfig, directory: RunDirectory | None = None) -> Training | Solve:
    """The run of a composed and checked configuration.

    Args:
        config: The configuration.
        directory: The run directory; None to make one when it is fitted.

    Raises:
        UserError: The configuration cannot be built.
    """
    if config.command == "train":
        return Training(config, directory)
    # A training needs no problems, networks and samplers of solves.
    from genlab.assembly.solve import Solve

    return Solve(config, directory)


def load(run: str | Path) -> Training | Solve | Exported:
    """A run that was made before, or a model that left one, in evaluation mode.

    A run has its best weights. One that was stopped before its first validation has none: its last
    are loaded.

    Args:
        run: The run's folder, its name below ``outputs``, or ``latest``; or the folder of
            ``genlab export``, or ``hf://user/name[@revision]`` of a model hub.

    Raises:
        UserError: There is no run, or one of another version.
        RunError: The checkpoint is missing or damaged.
    """
    if str(run).startswith(HUB) or is_exported(Path(run)):
        return read_exported(str(run))
    return load_run(run)


def load_run(run: str | Path) -> Training | Solve:
    """A run that was made before, as `load` gives it."""
    directory = resolve(str(run))
    read_manifest(directory)
    config = read_config(directory)
    check(config)
    # Building a model draws its first weights: that is nothing to the caller's random numbers.
    state = rng_state()
    loaded = from_config(config, directory)
    set_rng_state(state)
    loaded.restore()
    return loaded


def _refuse_settings(overrides: Sequence[object]) -> None:
    """Refuse what is no word.

    Raises:
        UserError: The first such argument, with how it is given.
    """
    for given in overrides:
        if not isinstance(given, str):
            how = "as experiment(**settings)" if isinstance(given, Mapping) else "by name"
            raise UserError(
                f"experiment: expected words such as 'model=nsf', got a {type(given).__name__}; "
                f"settings are given {how}"
            )


def _mappings(
    command: Literal["train", "solve"], overrides: Sequence[str], settings: Mapping[str, Any]
) -> set[str]:
    """The keys of settings that are mappings, not sections, such as ``data.bounds``: null unset."""
    nested = {
        f"{section}.{name}"
        for section, given in settings.items()
        if isinstance(given, Mapping)
        for name, value in given.items()
        if isinstance(value, Mapping)
    }
    if not nested:
        return nested
    given = (f"{key}={override_value(key, value)}" for key, value in settings.items()
             if isinstance(value, str))  # fmt: skip
    # The choices of groups, which say what keys there are.
    choices = [word for word in (*given, *overrides) if "." not in word.partition("=")[0]]
    with explained(command, choices):
        known = compose_raw(command, choices)
    return {key for key in nested if OmegaConf.select(known, key, default={}) is None}


def _words(
    settings: Mapping[str, Any], mappings: set[str], section: str = ""
) -> Iterator[tuple[str, str]]:
    """Settings as words of a command line, by their keys."""
    for name, value in settings.items():
        key = f"{section}{name}"
        if isinstance(value, Mapping) and key not in mappings:
            yield from _words(value, mappings, f"{key}.")
        else:
            yield key, f"{key}={override_value(key, value)}"
