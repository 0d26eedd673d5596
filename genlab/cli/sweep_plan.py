"""The jobs of a sweep: every combination that is a run of its own, and what is done already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.errors import UnusedError
from genlab.runs.comparison.records import read_records
from genlab.runs.manifest import config_hash
from genlab.runs.sweep import Job

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = ["combinations", "finished", "listing", "planned"]


def combinations(hydra: Hydra, config: Any) -> list[tuple[str, ...]]:
    """The command line of every combination, in the order in which the values stand."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from genlab.config.keys import split

    own = list(config.hydra.overrides.task)
    named = {split(word)[0] for word in own}
    saved = config.hydra.sweeper.params or {}
    words = [f"{key}={value}" for key, value in saved.items() if key not in named]
    parsed = OverridesParser.create(config_loader=hydra.config_loader).parse_overrides(words + own)
    (lines,) = BasicSweeper.split_arguments(parsed, None)
    return [tuple(line) for line in lines]


def planned(
    lines: Sequence[tuple[str, ...]],
    command: str,
    searchpath: Sequence[str],
    done: Mapping[str, Path],
) -> tuple[list[Job], int]:
    """The jobs, each checked, those marked that are done; and the most threads of one.

    A word that only some of the combinations have a use for, as ``model=gmm`` beside
    ``sampler=uniform,das``, is left out of the others; what then is the same run is one job.

    Args:
        lines: The command line of every combination.
        command: Name of the primary config.
        searchpath: Overrides that say where configs are found.
        done: Directories of finished runs by the hash of their configuration.

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
    jobs = [
        Job(
            number,
            " ".join(word for word in line if word not in common or len(configs) == 1),
            line,
            done_in=_place(config, done) if done else None,
        )
        for number, (line, config) in enumerate(configs.items())
    ]
    return jobs, max(config.trainer.threads or 1 for config in configs.values())


def _place(config: DictConfig, done: Mapping[str, Path]) -> str | None:
    """Where a finished run of this configuration is, or the folder of all its replicas."""
    from genlab.assembly import alone, describe_source
    from genlab.config import plain

    describe_source(config)
    hashes = [config_hash(plain(one)) for one in alone(config)]
    if not all(name in done for name in hashes):
        return None
    first = done[hashes[0]]
    return str(first if len(hashes) == 1 else first.parent)


def finished(outputs: Path) -> dict[str, Path]:
    """Directories of the finished runs, by the hash of their configuration."""
    records, _ = read_records([outputs] if outputs.is_dir() else [])
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
