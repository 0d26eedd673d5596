"""What Hydra has no setting for, changed as genlab needs it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.runs.files import atomic_path

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = [
    "as_program",
    "logging_as_it_was",
    "prefer_own_launchers",
    "suggestions_filled",
    "written_whole",
]


@contextmanager
def as_program(words: Sequence[str]) -> Iterator[None]:
    """Hydra's main function reads ``sys.argv``, and raises errors only where it is told to."""
    argv, environment = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [argv[0], *words]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with logging_as_it_was():
            yield
    finally:
        sys.argv = argv
        if environment is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = environment


@contextmanager
def suggestions_filled() -> Iterator[None]:
    """Let ``--cfg`` of a Hydra application show what is suggested where a run has it."""
    from hydra._internal.hydra import Hydra

    from genlab.config.primary import fill_suggestions

    composed = Hydra.compose_config

    def compose_config(self: Hydra, *args: Any, **kwargs: Any) -> DictConfig:
        config = composed(self, *args, **kwargs)
        fill_suggestions(config)
        return config

    Hydra.compose_config = compose_config  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.compose_config = composed  # type: ignore[method-assign]


@contextmanager
def written_whole() -> Iterator[None]:
    """Let Hydra write the files of ``.hydra`` whole or not at all, as where the disk is full."""
    from hydra.core import utils
    from omegaconf import OmegaConf

    before = utils._save_config

    def save(cfg: DictConfig, filename: str, output_dir: Path) -> None:
        output_dir.mkdir(parents=True, exist_ok=True)
        with atomic_path(output_dir / filename) as temporary:
            temporary.write_text(OmegaConf.to_yaml(cfg), encoding="utf-8")

    utils._save_config = save
    try:
        yield
    finally:
        utils._save_config = before


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Give the root logger back its handlers, which Hydra replaces, and its level."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def prefer_own_launchers(folder: Path) -> None:
    """Let the files of genlab describe the launchers, not those that come with the plugins.

    Hydra would match the ones with the others by their names, which it warns of as outdated.
    """
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # finds the plugins, which register their configurations
    registered = ConfigStore.instance().repo["hydra"]["launcher"]
    for path in folder.glob("*.yaml"):
        registered.pop(path.name, None)
