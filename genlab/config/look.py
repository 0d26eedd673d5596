"""The files, runs and sources that a configuration names, looked at before anything is built."""

from __future__ import annotations

from importlib.util import find_spec

from omegaconf import DictConfig, OmegaConf

from genlab.config import config_dir
from genlab.config.keys import Keys
from genlab.config.stored import plain
from genlab.config.targets import described
from genlab.errors import UserError, nearest
from genlab.runs.find import resolve
from genlab.runs.settings import RUNS
from genlab.userfile import glance

__all__ = ["look_at", "look_at_loggers"]

# Sections that a Python file of the user's may define, by their argument `file`.
PYTHON = ("data", "problem")
# Sections whose class has a function `look`, which refuses values without what the class imports.
LOOKING = ("data", "trainer")


def look_at(config: DictConfig) -> None:
    """Refuse what names a run or a source that is not there, or a file that cannot be read.

    Args:
        config: A checked configuration of a run that has not begun.

    Raises:
        UserError: The first such key, with the reason.
    """
    for key in RUNS:
        if run := OmegaConf.select(config, key):
            try:
                resolve(run)
            except UserError as error:
                reason = str(error).removeprefix(f"{run}: ")
                raise UserError(f"{key}={run}: {reason}") from error
    keys = Keys(config)
    for section in PYTHON:
        if file := OmegaConf.select(config, f"{section}.file"):
            with keys.telling(section):
                glance(file, "file")
    for section in LOOKING:
        node = plain(config[section])
        if look := described(section, node.pop("_target_")).attribute("look"):
            with keys.telling(section):
                look(**node)
    look_at_loggers(config)
    _look_at_source(config)


def look_at_loggers(config: DictConfig) -> None:
    """Refuse a logger whose library is not installed, or whose server does not answer.

    Raises:
        UserError: There is one, and the message names the extra that brings the library, or the
            server; or a logger does not stand by its name.
    """
    nodes = plain(config)["logger"] or {}
    if "_target_" in nodes:
        where = f"logger._target_={nodes['_target_']}"
        raise UserError(f"{where}: there may be several; write logger.NAME._target_")
    keys = Keys(config)
    for name, node in nodes.items():
        if node is None:
            continue
        section, options = f"logger.{name}", dict(node)
        logger = described(section, options.pop("_target_"))
        package = logger.attribute("requires")
        if package is not None and find_spec(package) is None:
            raise UserError(f"logger={name}: not installed; pip install 'genlab[{package}]'")
        if look := logger.attribute("look"):
            with keys.telling(section):
                look(**options)


def _look_at_source(config: DictConfig) -> None:
    """What a flow starts from is a word of its family, or an option of ``data``."""
    source = OmegaConf.select(config, "model.source")
    if config.command != "train" or not isinstance(source, str):
        return
    own = described("model", config.model._target_).attribute("sources") or ()
    files = (config_dir() / "data").glob("[!_]*.yaml")
    options = [*own, *(path.stem for path in files if path.stem != "custom")]
    if source not in options:
        raise UserError(f"model.source={source}: no such source; {nearest(source, options)}")
