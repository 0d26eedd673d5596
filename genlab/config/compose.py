"""The configuration of a command, composed from its overrides."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from genlab.config import is_hidden, split
from genlab.config.check import check_given
from genlab.config.explain import explained
from genlab.config.keys import Keys
from genlab.config.primary import belongs_elsewhere, compose_raw
from genlab.config.prune import drop_replaced, drop_unused
from genlab.config.stored import plain
from genlab.config.targets import described
from genlab.errors import UserError
from genlab.runs.find import resolve
from genlab.runs.settings import FILES, RUNS

__all__ = ["complete", "compose"]

# Of several runs: what a sweep or a search is told does not reach its runs.
OF_SEVERAL = ("sweep", "search")


def compose(command: str, overrides: Sequence[str]) -> DictConfig:
    """Compose ``configs/COMMAND.yaml`` with overrides as on the command line.

    May be called any number of times, also while a Hydra application is running.

    Args:
        command: ``train`` or another primary config.
        overrides: ``group=option``, ``key=value``, ``+key=value`` and ``~key``.

    Returns:
        The configuration without the ``hydra`` node, ``choices`` filled.

    Raises:
        UserError: An option, a key or a value is wrong; it names the nearest valid one.
    """
    with explained(command, overrides):
        config = compose_raw(command, overrides)
    return complete(config, command, overrides)


def complete(config: DictConfig, command: str, overrides: Sequence[str]) -> DictConfig:
    """Note which option of each group was taken, make paths absolute, fill in what files tell.

    Args:
        config: As `compose_raw` made it; changed in place, Hydra's node taken out.
        command: The primary config's name.
        overrides: What the user set.

    Raises:
        UserError: ``choices`` or ``command``, or what nothing uses, was set by hand; or a group of
            another command was added.
    """
    if config.choices:
        raise UserError("choices: filled by genlab, cannot be set; write GROUP=OPTION")
    if config.command != command:
        raise UserError(f"command={config.command}: fixed; run `genlab {config.command}` instead")
    for word in overrides:
        if owner := belongs_elsewhere(command, split(word)[0]):
            raise UserError(f"{word}: {owner}")
    with open_dict(config):
        runtime = config.pop("hydra").runtime
        for section in OF_SEVERAL:
            config.pop(section, None)
        config.choices = {
            group: option
            for group, option in runtime.choices.items()
            if option is not None and group not in OF_SEVERAL and not is_hidden(group)
        }
        if "logger" not in config.choices and config.get("logger"):
            # Of several options of a group Hydra notes none; each of these stands by its name.
            config.choices.logger = [*config.logger]
    _make_absolute(config)
    _fill_facts(config)
    drop_replaced(config, runtime, overrides)
    drop_unused(config, overrides)
    return config


def _make_absolute(config: DictConfig) -> None:
    """A run is read again from other folders and later: its files, and the run that is the latest
    now, are named from the root."""
    for key in (*FILES, "data.root", *RUNS):
        # What is missing, or an interpolation to nothing, is for the check to tell.
        value = OmegaConf.select(config, key, throw_on_resolution_failure=False)
        if isinstance(value, str) and value:
            path = Path(value).expanduser()
            # As is a run that is not found.
            with suppress(UserError):
                found = resolve(str(path)).path if key in RUNS else path
                OmegaConf.update(config, key, str(found.absolute()))


def _fill_facts(config: DictConfig) -> None:
    """Put what only the data's files tell in the place of null, so that a run remembers it: the
    shape of a sample, the width of a context."""
    try:
        node = plain(config.data)
    except OmegaConfBaseException:  # for the check to tell
        return
    target = node.get("_target_")
    find = None if target is None else described("data", target).attribute("facts")
    if find is None or "???" in node.values() or node.get("path", "") is None:  # likewise
        return
    # What looks into files takes types for granted; null may be what it is there to replace.
    check_given("data", node)
    del node["_target_"]
    with Keys(config).telling("data"):
        found: dict[str, Any] = find(**node)
    with open_dict(config):
        for key, value in found.items():
            if config.data.get(key) is None:
                config.data[key] = value
