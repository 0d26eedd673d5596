"""Hydra's composition, with Hydra's own errors, also inside a running Hydra application."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from genlab.config.places import config_dir
from genlab.config.suggestions import fill_suggestions, refuse_suggestions

__all__ = ["VERSION_BASE", "compose_raw", "refuse_suggested"]

VERSION_BASE = "1.3"


def compose_raw(command: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of ``command`` with the ``hydra`` node still in it, suggestions filled.

    Raises:
        UserError: The user set what only genlab suggests.
    """
    refuse_suggested(command, overrides)
    config = _compose(command, overrides)
    fill_suggestions(config)
    return config


def refuse_suggested(command: str, overrides: Sequence[str]) -> None:
    """Refuse to set what only genlab suggests.

    Raises:
        UserError: One of the overrides does; it names the key to write instead.
    """
    refuse_suggestions(overrides, lambda: _compose(command, ()))


def _compose(command: str, overrides: Sequence[str]) -> DictConfig:
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
