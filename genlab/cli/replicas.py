"""Replicas as a user sees them: what is trained, and a table of the runs that came of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from genlab.cli.fit import announce, fit, near, stages
from genlab.cli.reentry import reenter
from genlab.cli.run_table import print_runs
from genlab.errors import RunError

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["continue_replicas", "fit_replicas"]


def continue_replicas(config: DictConfig, folder: Path) -> None:
    """Train what is left of replicas that were begun before, one after the other.

    Args:
        config: A checked configuration.
        folder: Where the directories are.

    Raises:
        UserError: One of the directories holds the run of another configuration.
        RunError: One of them failed.
        Interrupted: A signal stopped one.
    """
    from genlab.assembly import alone, replica_directory

    for one in alone(config):
        run = replica_directory(one, folder)
        state = reenter(run, one)
        if state != "done":
            fit(one, run, resume=state == "part")
    print_runs(near(folder))


def fit_replicas(config: DictConfig, folder: Path) -> None:
    """Train ``trainer.replicas`` runs together, each in a directory of its own.

    Args:
        config: A checked configuration.
        folder: Where the directories are made.

    Raises:
        UserError: Such runs cannot be trained together.
        RunError: Some of them failed.
        Interrupted: A signal stopped them.
    """
    from genlab.assembly import Replicas

    replicas = Replicas(config, folder)
    announce(config, replicas.runs[0].experiment, folder)
    try:
        with stages():
            replicas.fit()
    except BaseException as stop:
        left = [replica.run for replica in replicas.runs if replica.run.last.exists()]
        if left:
            word = shlex.quote(str(near(left[0].path)))
            stop.add_note(f"go on with each, as with: genlab resume {word}")
        raise
    print_runs(near(folder))
    print(f"means and deviations: genlab compare {near(folder)}")
    failed = [replica for replica in replicas.runs if replica.error is not None]
    if failed:
        reasons = "".join(f"\n{near(replica.run.path)}: {replica.error}" for replica in failed)
        raise RunError(f"{len(failed)} of {len(replicas.runs)} replicas failed{reasons}")
