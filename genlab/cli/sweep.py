"""``genlab train -m``: every combination, each with its own run, and a table in the end."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.hydra_application import application, launcher
from genlab.cli.launching import check_launcher, launch
from genlab.cli.overview import Overview, final_table
from genlab.cli.sweep_job import SweepJob
from genlab.cli.waiting import loading
from genlab.errors import RunError, UserError
from genlab.runs.comparison.records import read_records
from genlab.runs.manifest import config_hash
from genlab.runs.sweep import Job, SweepDirectory

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

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
        jobs = _expand(hydra, config)
        with loading():
            jobs, threads = _checked(jobs, command, _searchpath(overrides), config, options)
        check_launcher(config, threads)
        if dry_run:
            print(_listing(jobs), end="")
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


def _expand(hydra: Hydra, config: Any) -> list[Job]:
    """Every combination, in the order of the command line, named by what differs."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from genlab.config.keys import split

    own = list(config.hydra.overrides.task)
    named = {split(word)[0] for word in own}
    saved = config.hydra.sweeper.params or {}
    words = [f"{key}={value}" for key, value in saved.items() if key not in named]
    parsed = OverridesParser.create(config_loader=hydra.config_loader).parse_overrides(words + own)
    (combinations,) = BasicSweeper.split_arguments(parsed, None)
    varied = {
        place
        for place in range(len(combinations[0]))
        if len({combination[place] for combination in combinations}) > 1
    }
    return [
        Job(
            number,
            " ".join(
                word for place, word in enumerate(combination) if place in varied or not varied
            ),
            tuple(combination),
        )
        for number, combination in enumerate(combinations)
    ]


def _checked(
    jobs: Sequence[Job],
    command: str,
    searchpath: Sequence[str],
    config: Any,
    options: SweepOptions,
) -> tuple[list[Job], int]:
    """The jobs, those marked that a finished run has done; and the most threads of one.

    Raises:
        UserError: The configuration of one has a mistake.
    """
    from genlab.config import check, compose

    done = _done(Path(config.outputs)) if options.skip_done else {}
    marked, threads = [], 1
    for job in jobs:
        composed = compose(command, [*job.overrides, *searchpath])
        check(composed)
        threads = max(threads, composed.trainer.threads or 1)
        marked.append(replace(job, done_in=done.get(_hash(composed)) if done else None))
    return marked, threads


def _hash(config: DictConfig) -> str:
    """The hash that a run of this configuration is recorded with."""
    from genlab.assembly import describe_source
    from genlab.config import plain

    describe_source(config)
    return config_hash(plain(config))


def _done(outputs: Path) -> dict[str, str]:
    """Directories of the finished runs, by the hash of their configuration."""
    records, _ = read_records([outputs] if outputs.is_dir() else [])
    return {
        record.manifest["config_hash"]: str(record.run.path)
        for record in records
        if record.state == "done"
    }


def _listing(jobs: Sequence[Job]) -> str:
    lines = (
        f"{job.number:4}  {job.name}{f'  (done in {job.done_in})' if job.done_in else ''}\n"
        for job in jobs
    )
    return f"{len(jobs)} jobs, {sum(job.done_in is None for job in jobs)} to run\n{''.join(lines)}"


def _searchpath(overrides: Iterable[str]) -> list[str]:
    return [word for word in overrides if word.startswith("hydra.searchpath=")]
