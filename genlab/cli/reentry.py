"""A directory in which a run may have begun before: how far it came, and what is left to do."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Literal

from genlab.config.stored import plain
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.manifest import config_hash, read_manifest
from genlab.runs.status import effective_state, refuse_running

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["reenter"]


def reenter(run: RunDirectory, config: DictConfig) -> Literal["done", "part", "nothing"]:
    """Tell how far the run of a configuration has come in its directory, and make that ready.

    What was killed before its first checkpoint is removed, and the run starts anew.

    Args:
        run: The directory.
        config: A checked configuration.

    Returns:
        ``done``; ``part`` where there is a checkpoint to go on from; ``nothing`` where the run is
        to start, in a directory that is there.

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
