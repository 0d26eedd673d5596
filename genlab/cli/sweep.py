"""``genlab train -m``: every combination, each with its own run, and a table in the end."""

from __future__ import annotations

import re
import socket
from argparse import Namespace
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genlab.cli.hydra_application import application, launcher
from genlab.cli.launchers import check_launcher
from genlab.cli.launching import launch
from genlab.cli.overview import Overview, final_table
from genlab.cli.sweep_job import SweepJob
from genlab.cli.sweep_plan import combinations, finished, listing, planned
from genlab.cli.waiting import loading
from genlab.errors import RunError, UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.sweep import Job, JobState, SweepDirectory

__all__ = ["sweep"]

LAUNCHER = re.compile(r"[+~]{0,2}hydra[/.]launcher[=.]")
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class SweepOptions:
    """What ``genlab train -m`` is told beside the jobs.

    Attributes:
        fail_fast: Whether after a failure no other job begins.
        skip_done: Whether what a finished run has done with the same configuration is left out.
        force: Whether to go on with jobs that seem to run on another machine.
    """

    fail_fast: bool
    skip_done: bool
    force: bool


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
            plan = planned(lines, command, _searchpath(overrides))
        check_launcher(config, plan.threads)
        path = Path(config.hydra.sweep.dir).absolute()
        if RunDirectory(path).manifest.exists():
            raise UserError(f"hydra.sweep.dir={path}: holds a run; choose another folder")
        done = finished(Path(config.outputs), path) if options.skip_done else {}
        if dry_run:
            directory = SweepDirectory(path)
            jobs = plan.marked(directory, directory.numbered(plan.jobs), done)
            print(listing(jobs), end="")
            return 0
        if options.force:
            SweepDirectory(path).take_over()
        directory, jobs = SweepDirectory.enter(path, plan.jobs)
        jobs = plan.marked(directory, jobs, done)
        _prepare(config, directory)
        task = SweepJob(
            directory,
            arguments,
            command=config.command,
            fail_fast=options.fail_fast,
            ours=path.resolve() in made,
        )
        return _run(config, directory, jobs, lambda: launcher(hydra, config, task))


def _run(
    config: Any, directory: SweepDirectory, jobs: Sequence[Job], make: Callable[[], Any]
) -> int:
    waiting = [job for job in jobs if job.done_in is None]
    overview = Overview(directory, jobs)
    try:
        with overview.shown():
            if waiting:
                launch(config, make, directory, waiting, overview.say)
                directory.settle(waiting)
    finally:
        states = directory.read(jobs)
        print(f"sweep {directory.path}\n{final_table(states)}", end="", flush=True)
    bad = [state for state in states if not state.good]
    if bad:
        raise RunError("\n".join(_what_is_missing(len(jobs), bad)))
    return 0


def _what_is_missing(number: int, bad: Sequence[JobState]) -> Iterator[str]:
    if lost := sum(state.state != "running" for state in bad):
        yield (
            f"{lost} of {number} jobs came to nothing; the same command with "
            "sweep.skip_done=true runs those alone"
        )
    if lost < len(bad):
        yield (
            f"{len(bad) - lost} of {number} jobs are with another sweep in the same folder, and "
            "run; the same command says later how they ended"
        )
        hosts = {state.host for state in bad if state.state == "running" and state.host}
        if elsewhere := sorted(hosts - {socket.gethostname()}):
            yield (
                f"If nothing runs on {', '.join(elsewhere)} any more: the same command with "
                "sweep.force=true goes on with them"
            )


def _prepare(config: Any, directory: SweepDirectory) -> None:
    """Make the configuration of a sweep fit for its jobs, and keep it beside them."""
    from omegaconf import OmegaConf, read_write

    with read_write(config):
        # Claimed once: the other processes take it as it is.
        config.hydra.sweep.dir = str(directory.path)
        config.hydra.run.dir = str(directory.path)
    OmegaConf.save(config, directory.multirun)
    with read_write(config):
        # Jobs are composed the same whatever launches them; for most it is another process, where
        # the plugin would register its own file of the launcher beside that of genlab.
        config.hydra.overrides.hydra = [
            word for word in config.hydra.overrides.hydra if not LAUNCHER.match(word)
        ]


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
