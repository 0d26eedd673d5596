"""``genlab train -m``: every combination, each with its own run, and a table in the end."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.bounds import PositiveInt
from genlab.cli.hydra_app import application, callbacks_of_sweep, launcher, set_folder
from genlab.cli.launch import check_launcher, launch
from genlab.cli.run import checked, composed, hashes_of, run_config
from genlab.cli.sweep_job import SweepJob
from genlab.cli.sweep_view import Overview, final_table
from genlab.errors import GenlabError, RunError, UnusedError, UserError
from genlab.processes import is_first
from genlab.runs.comparison.records import read_records
from genlab.runs.directory import RunDirectory, claim, dated
from genlab.runs.files import atomic_path
from genlab.runs.sweep import Job, JobState, SweepDirectory

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = ["planned", "sweep"]

LAUNCHER = re.compile(r"[+~]{0,2}hydra[/.]launcher[=.]")
# What Hydra reads once, before any job.
FOR_ALL = (
    "hydra.launcher",
    "hydra.callbacks",
    "hydra.sweep.dir",
    "hydra.sweeper.max_batch_size",
    "sweep",
)
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


def expanded(hydra: Hydra, config: DictConfig) -> Iterator[tuple[tuple[str, ...], DictConfig]]:
    """The command line of every combination, in the order in which the values stand.

    A file that one of several values chooses, as in ``experiment=mine,yours``, may hold a sweep
    of its own, which is that of the jobs that choose it.

    Args:
        hydra: The application.
        config: As Hydra composed it for the sweep.

    Yields:
        Each, with all that Hydra makes of it.

    Raises:
        UserError: A file sets for some jobs what a sweep has for all.
    """
    from genlab.config import split

    command = config.hydra.job.config_name
    # As they were written: what ``${seed}`` stands for is each job's own matter.
    own, of_hydra = (_written(config.hydra.overrides[kind]) for kind in ("task", "hydra"))
    named = {split(word)[0] for word in own}
    saved = _saved(config, named)
    for_all = _said_for_all(config)
    waiting = [(line, saved) for line in _lines(hydra, [*_words(saved), *own])]
    begun = set()
    while waiting:
        line, assumed = waiting.pop(0)
        whole = composed(command, [*line, *of_hydra])
        said = _saved(whole, named)
        if said == assumed:
            _refuse_for_some(for_all, whole, [word for word in line if word not in own])
            yield line, whole
            continue
        anew = {key: values for key, values in said.items() if assumed.get(key) != values}
        gone = {split(key)[0] for key in assumed.keys() - said.keys() | anew.keys()}
        kept = [word for word in line if split(word)[0] not in gone]
        if (begins := frozenset([*kept, *_words(said)])) not in begun:
            begun.add(begins)
            waiting[:0] = [(each, said) for each in _lines(hydra, [*kept, *_words(anew)])]


def _lines(hydra: Hydra, words: Sequence[str]) -> list[tuple[str, ...]]:
    """Every combination of the values that words hold."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create(config_loader=hydra.config_loader)
    (lines,) = BasicSweeper.split_arguments(parser.parse_overrides([*words]), None)
    return [tuple(line) for line in lines]


def _saved(config: DictConfig, named: Collection[str]) -> dict[str, str]:
    """The values that files hold, without those of keys that the command line names."""
    from genlab.config import split

    params = config.hydra.sweeper.params or {}
    return {key: str(values) for key, values in params.items() if split(key)[0] not in named}


def _words(saved: Mapping[str, str]) -> list[str]:
    return [f"{key}={values}" for key, values in saved.items()]


def _written(node: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def _said_for_all(config: DictConfig) -> dict[str, Any]:
    """What a configuration says of `FOR_ALL`, as it is written: a folder may hold the time."""
    from genlab.runs.settings import flatten

    flat = flatten(_written(config))
    return {key: value for key, value in flat.items() if _for_all(key)}


def _for_all(key: str) -> str | None:
    """Which of `FOR_ALL` a key is, or is below."""
    return next((one for one in FOR_ALL if f"{key}.".startswith(f"{one}.")), None)


def _refuse_for_some(for_all: Mapping[str, Any], whole: DictConfig, chosen: Sequence[str]) -> None:
    """Refuse a file that sets for the jobs that choose it what a sweep has for all.

    Args:
        for_all: What Hydra composed of that for the sweep.
        whole: All that it composed for a job.
        chosen: The words that only some of the jobs have.

    Raises:
        UserError: It sets such a key to something else.
    """
    said = _said_for_all(whole)
    differing = {_for_all(key) for key in {**said, **for_all} if said.get(key) != for_all.get(key)}
    for key in FOR_ALL:
        if key in differing:
            option = whole.hydra.runtime.choices["hydra/launcher"]
            word = f"hydra/launcher={option}" if key == "hydra.launcher" else key
            raise UserError(
                f"{' '.join(chosen)}: sets {word}, which is one for all jobs of a sweep;\n"
                "write it on the command line, or sweep by this one alone"
            )


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
        self, sweep: SweepDirectory | None, jobs: Sequence[Job], done: Mapping[str, Path]
    ) -> list[Job]:
        """The jobs with those marked that are done, in their own folder or elsewhere.

        Args:
            sweep: The directory; None for one that is yet to be made.
            jobs: Those of this plan, by their numbers in it.
            done: Directories of finished runs elsewhere, by the hash of their configuration.
        """
        marked = []
        for job, hashes in zip(jobs, self.runs, strict=True):
            here = {} if sweep is None else finished(sweep.run(job.number).path)
            found = here if here.keys() >= {*hashes} else done
            place = found[hashes[0]] if found.keys() >= {*hashes} else None
            if place is not None and len(hashes) > 1:
                place = place.parent
            marked.append(replace(job, done_in=None if place is None else str(place)))
        return marked


def planned(hydra: Hydra, config: DictConfig) -> Plan:
    """The jobs, each checked.

    A word that only some of the combinations have a use for, as ``model=gmm`` beside
    ``sampler=uniform,das``, is left out of the others; what then is the same run is one job.

    Args:
        hydra: The application.
        config: As Hydra composed it for the sweep.

    Raises:
        UserError: The configuration of one has a mistake, or nothing uses one of its words.
    """
    from genlab.config.keys import Keys
    from genlab.config.prune import used

    command, of_hydra = config.hydra.job.config_name, _written(config.hydra.overrides.hydra)
    unused: list[UnusedError] = []
    configs: dict[tuple[str, ...], DictConfig] = {}
    for line, whole in expanded(hydra, config):
        made, words, errors = used(line, partial(_checked, command, of_hydra, line, whole))
        unused += errors
        configs.setdefault(tuple(words), made)
    for error in unused:
        if not any(error.word in line for line in configs):
            raise error
    common = set.intersection(*(set(line) for line in configs))
    jobs, runs = [], []
    for number, (line, made) in enumerate(configs.items()):
        name = " ".join(word for word in line if word not in common or len(configs) == 1)
        known_by, alone = hashes_of(made)
        jobs.append(Job(number, name, line, known_by))
        runs.append(alone)
    trainers = [made.trainer for made in configs.values()]
    threads = max(trainer.threads or 1 for trainer in trainers)
    with Keys({"trainer": trainers[0]}).telling():
        helps = not any(map(is_first, trainers))
    return Plan(tuple(jobs), tuple(runs), threads, helps=helps)


def _checked(
    command: str,
    of_hydra: Sequence[str],
    line: tuple[str, ...],
    whole: DictConfig,
    words: Sequence[str],
) -> DictConfig:
    """The configuration of some of the words of a job, all of which are composed already."""
    all_of_them = tuple(words) == line
    return checked(command, [*words, *of_hydra], whole if all_of_them else None)


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
