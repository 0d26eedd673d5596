"""The files and runs that a configuration names, looked at before anything is built."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from genlab.config.keys import Keys
from genlab.config.stored import plain
from genlab.config.targets import described
from genlab.errors import UserError
from genlab.runs.find import resolve
from genlab.runs.settings import RUNS
from genlab.userfile import glance

__all__ = ["look_at"]

# Sections that a Python file of the user's may define, by their argument `file`.
PYTHON = ("data", "problem")


def look_at(config: DictConfig) -> None:
    """Refuse what names a run that is not there, or a file that cannot be read.

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
    node = plain(config.data)
    if look := described("data", node.pop("_target_")).attribute("look"):
        with keys.telling("data"):
            look(**node)
