"""What a directory that was begun before holds of a run: all, a part to go on from, or nothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Literal

from genlab.config import plain
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.manifest import config_hash, read_manifest
from genlab.runs.status import effective_state, refuse_running

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["begun"]


def begun(run: RunDirectory, config: DictConfig) -> Literal["done", "part", "nothing"]:
    """How far the run of a configuration has come in its directory, where it may have begun before.

    What was killed before its first checkpoint is removed, and the run starts anew.

    Args:
        run: The directory.
        config: A checked configuration.

    Raises:
        UserError: The directory holds the run of another configuration, which stays as it is, or
            another process is at the run.
    """
    from genlab.assembly import describe

    if run.manifest.exists():
        described = copy.deepcopy(config)
        describe(described)
        if read_manifest(run)["config_hash"] != config_hash(plain(described)):
            raise UserError(
                f"{run.path}: holds the run of another configuration, or a file of it has changed "
                f"since;\nit stays as it is: look at it by genlab show {run.typed}, or move it away"
            )
        refuse_running(run)
        if run.status.exists() and effective_state(run) == "done":
            return "done"
        if run.last.exists():
            return "part"
        run.clear()
    RunDirectory.create(run.path)
    return "nothing"
