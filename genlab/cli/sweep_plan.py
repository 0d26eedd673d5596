"""The jobs of a sweep: every combination that is a run of its own, and what is done already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.errors import UnusedError
from genlab.runs.comparison.records import read_records
from genlab.runs.manifest import config_hash
from genlab.runs.sweep import Job, SweepDirectory

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = ["Plan", "combinations", "finished", "listing", "planned"]


def combinations(hydra: Hydra, config: Any) -> list[tuple[str, ...]]:
    """The command line of every combination, in the order in which the values stand."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from genlab.config.keys import split

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
    """

    jobs: tuple[Job, ...]
    runs: tuple[tuple[str, ...], ...]
    threads: int

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


def planned(lines: Sequence[tuple[str, ...]], command: str, searchpath: Sequence[str]) -> Plan:
    """The jobs, each checked.

    A word that only some of the combinations have a use for, as ``model=gmm`` beside
    ``sampler=uniform,das``, is left out of the others; what then is the same run is one job.

    Args:
        lines: The command line of every combination.
        command: Name of the primary config.
        searchpath: Overrides that say where configs are found.

    Raises:
        UserError: The configuration of one has a mistake, or nothing uses one of its words.
    """
    from genlab.config import check, compose, used

    def checked(words: Sequence[str]) -> DictConfig:
        config = compose(command, [*words, *searchpath])
        check(config)
        return config

    unused: list[UnusedError] = []
    configs: dict[tuple[str, ...], DictConfig] = {}
    for line in lines:
        config, words, errors = used(line, checked)
        unused += errors
        configs.setdefault(tuple(words), config)
    for error in unused:
        if not any(error.word in line for line in configs):
            raise error
    common = set.intersection(*(set(line) for line in configs))
    jobs, runs = [], []
    for number, (line, config) in enumerate(configs.items()):
        name = " ".join(word for word in line if word not in common or len(configs) == 1)
        whole, alone = _hashes(config)
        jobs.append(Job(number, name, line, whole))
        runs.append(alone)
    threads = max(config.trainer.threads or 1 for config in configs.values())
    return Plan(tuple(jobs), tuple(runs), threads)


def _hashes(config: DictConfig) -> tuple[str, tuple[str, ...]]:
    """That of a configuration, and those of the runs that come of it, as they are recorded."""
    from genlab.assembly import alone, describe
    from genlab.config import plain

    describe(config)
    runs = tuple(config_hash(plain(one)) for one in alone(config))
    return runs[0] if len(runs) == 1 else config_hash(plain(config)), runs


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
