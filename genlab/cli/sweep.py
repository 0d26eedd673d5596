"""``genlab train -m``: every combination, each with its own run, and a table in the end."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genlab.bounds import PositiveInt
from genlab.cli.hydra_app import application, callbacks_of_sweep, launcher, set_folder
from genlab.cli.launch import check_launcher, launch
from genlab.cli.run import checked, run_config
from genlab.cli.sweep_job import SweepJob
from genlab.cli.sweep_plan import finished, listing, planned
from genlab.cli.sweep_view import Overview, final_table
from genlab.errors import GenlabError, RunError, UserError
from genlab.runs.directory import RunDirectory, claim, dated
from genlab.runs.files import atomic_path
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


@dataclass(frozen=True)
class SweeperOptions:
    """What ``hydra.sweeper`` is told beside the values.

    Attributes:
        max_batch_size: Jobs that are launched before those behind them; None for all at once.
    """

    max_batch_size: PositiveInt | None


def sweep(command: str, overrides: Sequence[str], *, dry_run: bool) -> int:
    """Run every combination of the values that the overrides give.

    Args:
        command: ``train`` or ``solve``.
        overrides: Those of the command line, the search path included.
        dry_run: Print the jobs, and run nothing.

    Raises:
        UserError: The sweep, or the configuration of a job, has a mistake.
        RunError: A job failed.
    """
    from genlab.config.explain import explained

    with explained(command, overrides), application(command) as hydra:
        from hydra.types import RunMode

        config = hydra.compose_config(command, list(overrides), RunMode.MULTIRUN)
        options = _options(config, overrides)
        folder = set_folder(config, "sweep")
        searchpath = [word for word in overrides if word.startswith("hydra.searchpath=")]
        plan = planned(hydra, config)
        check_launcher(config, plan.threads)
        own = dated(config.outputs, "sweep").absolute()
        begun = SweepDirectory.begun(Path(config.outputs).expanduser(), plan.jobs)
        known = folder or begun
        path = (known or own).absolute()
        if RunDirectory(path).manifest.exists():
            raise UserError(f"hydra.sweep.dir={path}: holds a run; choose another folder")
        places = [Path(config.outputs), *([path] if known else [])]
        done = finished(*places) if options.skip_done else {}
        directory = SweepDirectory(path)
        # A new one has no jobs, though a sweep of the same second may have that name already.
        numbered = directory.numbered(plan.jobs) if known else plan.jobs
        jobs = plan.marked(directory if known else None, numbered, done)
        if dry_run:
            print(listing(jobs), end="")
            return 0
        if plan.helps:
            return _help(command, searchpath, jobs, directory, fail_fast=options.fail_fast)
        if options.force:
            directory.take_over()
        if path == own:
            path = claim(own.parent, own.name)
        directory, jobs = SweepDirectory.enter(path, plan.jobs)
        jobs = plan.marked(directory, jobs, done)
        _prepare(config, directory)
        task = SweepJob(
            directory,
            command=command,
            searchpath=searchpath,
            fail_fast=options.fail_fast,
            ours=folder is None,
        )
        with callbacks_of_sweep(config):
            return _run(config, directory, jobs, lambda: launcher(hydra, config, task))


def _help(
    command: str,
    searchpath: Sequence[str],
    jobs: Sequence[Job],
    directory: SweepDirectory,
    *,
    fail_fast: bool,
) -> int:
    """Help another process with each job, which keeps them; how one ends is told there."""
    for job in jobs:
        if job.done_in is None:
            try:
                config = checked(command, [*job.overrides, *searchpath])
                run_config(config, directory.run(job.number), ours=False, begun=True)
            except GenlabError:
                if fail_fast:
                    break
    return 0


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
        # Nothing runs here any more, whatever could be noted of it.
        states = [
            replace(state, state="killed") if state.here and not state.ended else state
            for state in directory.read(jobs)
        ]
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
                "sweep.force=true goes on with them, without it when they have been silent for long"
            )


def _prepare(config: Any, directory: SweepDirectory) -> None:
    """Make the configuration of a sweep fit for its jobs, and keep it beside them."""
    from omegaconf import OmegaConf, read_write

    with read_write(config):
        # Claimed once: the other processes take it as it is.
        config.hydra.sweep.dir = str(directory.path)
        config.hydra.run.dir = str(directory.path)
    with atomic_path(directory.multirun) as temporary:
        OmegaConf.save(config, temporary)
    with read_write(config):
        # Jobs are composed the same whatever launches them; for most it is another process, where
        # the plugin would register its own file of the launcher beside that of genlab.
        words = [word for word in config.hydra.overrides.hydra if not LAUNCHER.match(word)]
        place = str(directory.path).replace("\\", "\\\\").replace("'", "\\'")
        config.hydra.overrides.hydra = [*words, f"hydra.sweep.dir='{place}'"]


def _options(config: Any, overrides: Sequence[str]) -> SweepOptions:
    """The section ``sweep``.

    Raises:
        UserError: It has a mistake, or what only genlab sets was set.
    """
    from genlab.config.check import check_options
    from genlab.config.stored import plain

    if config.hydra.sweeper._target_ != BASIC:
        raise UserError("hydra/sweeper: genlab sweeps by itself; `genlab tune` searches")
    if any(word.startswith("hydra.sweep.subdir=") for word in overrides):
        raise UserError("hydra.sweep.subdir: cannot be set; the number of a job names its folder")
    batch = {"max_batch_size": config.hydra.sweeper.max_batch_size}
    check_options("hydra.sweeper", batch, SweeperOptions)
    options = plain(config.sweep)
    check_options("sweep", options, SweepOptions)
    return SweepOptions(**options)
