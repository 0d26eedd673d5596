"""The configuration of a command, composed from its overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig, open_dict

from genlab.config.mistakes import explain
from genlab.config.raw import compose_raw
from genlab.errors import UserError

__all__ = ["complete", "compose"]


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
    try:
        config = compose_raw(command, overrides)
    except Exception as error:
        mistake = explain(error, command, overrides)
        if mistake is None:
            raise
        raise mistake from error
    return complete(config, command, config.hydra.runtime.choices)


def complete(config: DictConfig, command: str, choices: Mapping[str, str | None]) -> DictConfig:
    """Drop the ``hydra`` node and note which option of each group was taken.

    Args:
        config: As Hydra composed it; changed in place.
        command: The primary config's name.
        choices: Hydra's ``runtime.choices``.

    Raises:
        UserError: ``choices`` or ``command`` was set by hand.
    """
    if config.choices:
        raise UserError("choices: filled by genlab, cannot be set; write GROUP=OPTION")
    if config.command != command:
        raise UserError(f"command={config.command}: fixed; run `genlab {config.command}` instead")
    with open_dict(config):
        config.pop("hydra", None)
        config.choices = {
            group.removesuffix("@_global_"): option
            for group, option in choices.items()
            if option is not None and not group.startswith("hydra/")
        }
    return config
