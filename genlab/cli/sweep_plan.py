"""The plan of a sweep: a job for every combination of its values, each checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.run import checked, composed, hashes_of
from genlab.errors import UnusedError, UserError
from genlab.processes import is_first
from genlab.runs.comparison.records import read_records
from genlab.runs.sweep import Job, SweepDirectory

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = ["Plan", "finished", "listing", "planned"]

# What Hydra reads once, before any job.
FOR_ALL = (
    "hydra.launcher",
    "hydra.callbacks",
    "hydra.sweep.dir",
    "hydra.sweeper.max_batch_size",
    "sweep",
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
