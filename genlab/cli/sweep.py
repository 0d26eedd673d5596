"""``genlab train -m``: every combination, each with its own run, and a table in the end."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.hydra_app import application, callbacks_of_sweep, launcher, set_folder
from genlab.cli.launch import check_launcher, launch
from genlab.cli.run import checked, hashes_of, run_config
from genlab.cli.sweep_job import SweepJob
from genlab.cli.sweep_view import Overview, final_table
from genlab.errors import GenlabError, RunError, UnusedError, UserError
from genlab.processes import is_first
from genlab.runs.comparison.records import read_records
from genlab.runs.directory import RunDirectory, claim, dated
from genlab.runs.sweep import Job, JobState, SweepDirectory

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = ["planned", "sweep"]

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
        lines = combinations(hydra, config)
        folder = set_folder(config, "sweep")
        searchpath = [word for word in overrides if word.startswith("hydra.searchpath=")]

        def make(words: Sequence[str]) -> DictConfig:
            return checked(command, [*words, *searchpath])[0]

        plan = planned(lines, make)
        check_launcher(config, plan.threads)
        own = dated(config.outputs, "sweep").absolute()
        begun = SweepDirectory.begun(Path(config.outputs).expanduser(), plan.jobs)
        path = (folder or begun or own).absolute()
        if RunDirectory(path).manifest.exists():
            raise UserError(f"hydra.sweep.dir={path}: holds a run; choose another folder")
        done = finished(Path(config.outputs), path) if options.skip_done else {}
        directory = SweepDirectory(path)
        jobs = plan.marked(directory, directory.numbered(plan.jobs), done)
        if dry_run:
            print(listing(jobs), end="")
            return 0
        if plan.helps:
            return _help(jobs, directory, make, fail_fast=options.fail_fast)
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
    jobs: Sequence[Job],
    directory: SweepDirectory,
    make: Callable[[Sequence[str]], DictConfig],
    *,
    fail_fast: bool,
) -> int:
    """Help another process with each job, which keeps them; how one ends is told there."""
    for job in jobs:
        if job.done_in is None:
            try:
                run_config(make(job.overrides), directory.run(job.number), ours=False, begun=True)
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
                "sweep.force=true goes on with them, without it when they have been silent for long"
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
    options = plain(config.sweep)
    check_options("sweep", options, SweepOptions)
    return SweepOptions(**options)


def combinations(hydra: Hydra, config: Any) -> list[tuple[str, ...]]:
    """The command line of every combination, in the order in which the values stand."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from genlab.config import split

    # As they were written: what ``${seed}`` stands for is each job's own matter.
    own: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    named = {split(word)[0] for word in own}
    saved = config.hydra.sweeper.params or {}
    words = [f"{key}={value}" for key, value in saved.items() if key not in named]
    parsed = OverridesParser.create(config_loader=hydra.config_loader).parse_overrides(words + own)
    (lines,) = BasicSweeper.split_arguments(parsed, None)
    return [tuple(line) for line in lines]


@dataclass(frozen=True)
class Plan:
    """What a sweep is to run, before its directory has given the jobs their numbers.

    Attributes:
        jobs: Every combination that is a run of its own.
        runs: For each, the hashes of its runs: more than one where it trains replicas.
        threads: The most threads that one computes with.
        helps: Whether in this process nothing but help for another one is to be done.
    """

    jobs: tuple[Job, ...]
    runs: tuple[tuple[str, ...], ...]
    threads: int
    helps: bool

    def marked(
        self, sweep: SweepDirectory, jobs: Sequence[Job], done: Mapping[str, Path]
    ) -> list[Job]:
        """The jobs with those marked that are done, in their own folder or elsewhere.

        Args:
            sweep: The directory.
            jobs: Those of this plan, by their numbers in it.
            done: Directories of finished runs elsewhere, by the hash of their configuration.
        """
        marked = []
        for job, hashes in zip(jobs, self.runs, strict=True):
            here = finished(sweep.run(job.number).path)
            found = here if here.keys() >= {*hashes} else done
            place = found[hashes[0]] if found.keys() >= {*hashes} else None
            if place is not None and len(hashes) > 1:
                place = place.parent
            marked.append(replace(job, done_in=None if place is None else str(place)))
        return marked


def planned(lines: Sequence[tuple[str, ...]], make: Callable[[Sequence[str]], DictConfig]) -> Plan:
    """The jobs, each checked.

    A word that only some of the combinations have a use for, as ``model=gmm`` beside
    ``sampler=uniform,das``, is left out of the others; what then is the same run is one job.

    Args:
        lines: The command line of every combination.
        make: The checked configuration of a command line.

    Raises:
        UserError: The configuration of one has a mistake, or nothing uses one of its words.
    """
    from genlab.config.prune import used

    unused: list[UnusedError] = []
    configs: dict[tuple[str, ...], DictConfig] = {}
    for line in lines:
        config, words, errors = used(line, make)
        unused += errors
        configs.setdefault(tuple(words), config)
    for error in unused:
        if not any(error.word in line for line in configs):
            raise error
    common = set.intersection(*(set(line) for line in configs))
    jobs, runs = [], []
    for number, (line, config) in enumerate(configs.items()):
        name = " ".join(word for word in line if word not in common or len(configs) == 1)
        whole, alone = hashes_of(config)
        jobs.append(Job(number, name, line, whole))
        runs.append(alone)
    trainers = [config.trainer for config in configs.values()]
    threads = max(trainer.threads or 1 for trainer in trainers)
    return Plan(tuple(jobs), tuple(runs), threads, helps=not any(map(is_first, trainers)))


def finished(*folders: Path) -> dict[str, Path]:
    """Directories of the finished runs at or below folders, by the hash of their configuration."""
    records, _ = read_records([folder for folder in folders if folder.is_dir()])
    return {
        record.manifest["config_hash"]: record.run.path
        for record in records
        if record.state == "done"
    }


def listing(jobs: Sequence[Job]) -> str:
    """The jobs as lines, for ``--dry-run``."""
    lines = (
        f"{job.number:4}  {job.name}{f'  (done in {job.done_in})' if job.done_in else ''}\n"
        for job in jobs
    )
    return f"{len(jobs)} jobs, {sum(job.done_in is None for job in jobs)} to run\n{''.join(lines)}"
