"""``genlab train -m``: every combination, each with its own run, and a table in the end."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.hydra_application import application, launcher
from genlab.cli.launchers import check_launcher
from genlab.cli.launching import launch
from genlab.cli.overview import Overview, final_table
from genlab.cli.sweep_job import SweepJob
from genlab.cli.sweep_plan import combinations, finished, listing, planned
from genlab.cli.waiting import loading
from genlab.errors import RunError, UserError
from genlab.runs.sweep import Job, SweepDirectory

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra

__all__ = ["sweep"]

LAUNCHER = re.compile(r"[+~]{0,2}hydra[/.]launcher[=.]")
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class SweepOptions:
    """What ``genlab train -m`` is told beside the jobs.

    Attributes:
        fail_fast: Whether after a failure no other job begins.
        skip_done: Whether what a finished run has done with the same configuration is left out.
    """

    fail_fast: bool
    skip_done: bool


def sweep(
    arguments: Namespace,
    overrides: Sequence[str],
    command: str,
    *,
    made: Collection[Path],
    dry_run: bool,
) -> int:
    """Run every combination of the values that the overrides give.

    Args:
        arguments: Hydra's flags.
        overrides: Those of the command line, the search path included.
        command: Name of the primary config.
        made: The directories that genlab has made for itself; grows with that of the sweep.
        dry_run: Print the jobs, and run nothing.

    Raises:
        UserError: The sweep, or the configuration of a job, has a mistake.
        RunError: A job failed.
    """
    with application(arguments, command) as hydra:
        from hydra.types import RunMode

        name = arguments.config_name or command
        config = hydra.compose_config(
            config_name=name,
            overrides=list(overrides),
            with_log_configuration=False,
            run_mode=RunMode.MULTIRUN,
        )
        options = _options(config, overrides)
        lines = combinations(hydra, config)
        with loading():
            done = finished(Path(config.outputs)) if options.skip_done else {}
            jobs, threads = planned(lines, command, _searchpath(overrides), done)
        check_launcher(config, threads)
        if dry_run:
            print(listing(jobs), end="")
            return 0
        return _run(hydra, config, arguments, jobs, made=made, fail_fast=options.fail_fast)


def _run(
    hydra: Hydra,
    config: Any,
    arguments: Namespace,
    jobs: Sequence[Job],
    *,
    made: Collection[Path],
    fail_fast: bool,
) -> int:
    directory = _prepared(config, jobs)
    task = SweepJob(
        directory,
        arguments,
        command=config.command,
        fail_fast=fail_fast,
        ours=directory.path.resolve() in made,
    )
    waiting = [job for job in jobs if job.done_in is None]
    overview = Overview(directory, jobs)
    try:
        with overview.shown():
            if waiting:
                launch(
                    config,
                    lambda: launcher(hydra, config, task),
                    directory,
                    waiting,
                    overview.say,
                )
    finally:
        states = directory.read(jobs, over=True)
        print(f"sweep {directory.path}\n{final_table(states)}", end="", flush=True)
    bad = [state for state in states if not state.good]
    if bad:
        raise RunError(
            f"{len(bad)} of {len(jobs)} jobs came to nothing; the same command with "
            "sweep.skip_done=true runs those alone"
        )
    return 0


def _prepared(config: Any, jobs: Sequence[Job]) -> SweepDirectory:
    """The directory of the sweep, with its plan; the configuration is made fit for the jobs."""
    from omegaconf import OmegaConf, read_write

    directory = SweepDirectory(Path(config.hydra.sweep.dir).absolute())
    with read_write(config):
        # Claimed once: the other processes take it as it is.
        config.hydra.sweep.dir = str(directory.path)
        config.hydra.run.dir = str(directory.path)
    directory.plan(jobs)
    OmegaConf.save(config, directory.path / "multirun.yaml")
    with read_write(config):
        # Jobs are composed the same whatever launches them; for most it is another process, where
        # the plugin would register its own file of the launcher beside that of genlab.
        config.hydra.overrides.hydra = [
            word for word in config.hydra.overrides.hydra if not LAUNCHER.match(word)
        ]
    return directory


def _options(config: Any, overrides: Sequence[str]) -> SweepOptions:
    """The section ``sweep``.

    Raises:
        UserError: It has a mistake, or what only genlab sets was set.
    """
    from genlab.config import check_options, plain

    if config.hydra.sweeper._target_ != BASIC:
        raise UserError("hydra/sweeper: genlab sweeps by itself; `genlab tune` searches")
    if any(word.startswith("hydra.sweep.subdir=") for word in overrides):
        raise UserError("hydra.sweep.subdir: cannot be set; the number of a job names its folder")
    options = plain(config.sweep)
    check_options("sweep", options, SweepOptions)
    return SweepOptions(**options)


def _searchpath(overrides: Iterable[str]) -> list[str]:
    return [word for word in overrides if word.startswith("hydra.searchpath=")]
