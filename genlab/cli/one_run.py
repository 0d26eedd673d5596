"""One run of a configuration that Hydra has composed, or one job of a sweep."""

from __future__ import annotations

import re
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from genlab.cli.fit import fit
from genlab.cli.hydra_app import config_flags
from genlab.cli.reentry import reenter
from genlab.cli.replicas import continue_replicas, fit_replicas
from genlab.processes import is_first, own_process_group
from genlab.runs.directory import RunDirectory
from genlab.runs.find import find_runs

__all__ = ["train_one"]

# A saved sweep, and what a sweep is told: nothing to a single run.
OF_SWEEPS = re.compile(r"\+?sweep[.=]")


def train_one(
    config: Any, arguments: Namespace, made: set[Path], *, command: str, job: bool = False
) -> float | None:
    """One run in the directory that Hydra gave; the metric that its checkpoint was chosen by.

    ``made`` are the directories of runs and sweeps that genlab made for itself. A ``job`` of a
    sweep may have begun before, and goes on from its last checkpoint. Replicas have a directory
    each inside that one, and no metric in common.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import read_write

    from genlab.config.check import check
    from genlab.config.composition import complete

    hydra_config: Any = HydraConfig.get()
    complete(config, command, hydra_config.runtime, hydra_config.overrides.task)
    check(config)
    # Data-parallel training starts the same command again, in the directory of this run.
    task = [word for word in hydra_config.overrides.task if not OF_SWEEPS.match(word)]
    sys.argv = [sys.argv[0], command, *config_flags(arguments), *task]
    with read_write(hydra_config):
        hydra_config.run.dir = hydra_config.runtime.output_dir

    path = Path(hydra_config.runtime.output_dir)
    run = RunDirectory(path)
    first = is_first(config.trainer)
    try:
        with own_process_group():
            if config.trainer.replicas > 1:
                left = job and find_runs(path)
                (continue_replicas if left else fit_replicas)(config, path)
                return None
            state = reenter(run, config) if job and first else "nothing"
            if state == "done":
                return None
            if state == "part":
                sys.argv = [sys.argv[0], "resume", str(path)]
            elif first:
                RunDirectory.create(path)
            metrics = fit(config, run, resume=state == "part")
    except BaseException:
        # What ended before it started leaves nothing, but a user's own folder stays.
        ours = not made.isdisjoint({path.resolve(), path.parent.resolve()})
        if ours and first and not find_runs(path):
            shutil.rmtree(path)
        raise
    finally:
        # A process that helps another keeps nothing: that one has claimed another directory.
        if not first and path.resolve() in made:
            shutil.rmtree(path)
    return metrics.get(config.trainer.monitor)
