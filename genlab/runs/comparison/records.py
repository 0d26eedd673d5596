"""Runs as they are compared: settings, state and metrics, read from their JSON files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from genlab.errors import GenlabError, UserError, nearest
from genlab.runs.comparison.subjects import Subject, named, subject_of
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.find import find_runs
from genlab.runs.labels import Labels, read_labels
from genlab.runs.manifest import read_manifest
from genlab.runs.settings import CHOICE, spell
from genlab.runs.status import effective_state, read_status

__all__ = ["Record", "matching", "metrics_of", "read_record", "read_records", "without_repeats"]

TAG = "tag"


@dataclass(frozen=True)
class Record:
    """One run.

    Attributes:
        run: Its directory.
        state: running, done, failed, interrupted, pruned or killed.
        error: Why it failed or was pruned.
        manifest: What ``run.json`` says.
        settings: The flat configuration as text; a group by its own name, as on the command line.
        metrics: Metrics by tag; None for what was not finite.
        subject: What these are about.
        labels: Its tags and notes.
    """

    run: RunDirectory
    state: str
    error: str | None
    manifest: Mapping[str, Any]
    settings: Mapping[str, str]
    metrics: Mapping[str, float | None]
    subject: Subject
    labels: Labels = field(default_factory=Labels)

    @property
    def seed(self) -> int:
        """The seed of weights, batches and samples."""
        return int(self.manifest["config"]["seed"])

    def reads(self, key: str) -> str:
        """A setting, or the state, as text; empty where the run has no such key."""
        return self.state if key == "state" else self.settings.get(key, "")

    def answers(self, key: str) -> set[str]:
        """What a condition on a setting, or on the tags, may say."""
        if key == TAG:
            return set(self.labels.tags)
        return {self.reads(key), self.subject.name} if key == "data" else {self.reads(key)}


def read_records(paths: Sequence[Path]) -> tuple[list[Record], list[str]]:
    """Every run at or below ``paths``, in the order they were started.

    Data of a file are called by it, so that each setting ``data`` is one set of rows.

    Returns:
        The runs, and a line on each directory that cannot be read.

    Raises:
        UserError: One of the paths does not exist.
    """
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: no such folder")
    runs = {run.path.absolute(): run for path in paths for run in find_runs(path)}
    records, unreadable = [], []
    for run in runs.values():
        try:
            records.append(read_record(run))
        except GenlabError as error:
            unreadable.append(str(error))
    records.sort(key=lambda record: str(record.manifest["created"]))
    names = named([record.subject for record in records])
    return [
        replace(record, settings={**record.settings, "data": name})
        for record, name in zip(records, names, strict=True)
    ], unreadable


def read_record(run: RunDirectory) -> Record:
    """One run.

    Raises:
        UserError: A file is missing, torn, or of another version.
    """
    manifest, state = read_manifest(run), effective_state(run)
    missing = [
        key for key in ("config", "created", "likelihood", "model", "data") if key not in manifest
    ]
    if missing or "seed" not in manifest["config"]:
        raise UserError(f"{run.manifest}: {(*missing, 'seed')[0]} is missing")
    settings = {key.removeprefix(CHOICE): spell(value) for key, value in manifest["config"].items()}
    return Record(
        run,
        state,
        read_status(run)["error"],
        manifest,
        # What a run is called by: a solve has a sampler with its model, and a problem. The model
        # by itself is the family, to be crossed with the sampler.
        {"family": settings.get("model", ""), **settings}
        | {key: manifest[key] for key in ("model", "data")},
        read_json(run.metrics) if run.metrics.exists() else {},
        subject_of(manifest),
        read_labels(run),
    )


def metrics_of(records: Iterable[Record]) -> list[str]:
    """Tags that any run has, without standard errors."""
    tags = set().union(*(record.metrics for record in records))
    return sorted(tag for tag in tags if not tag.endswith("/se"))


def without_repeats(records: Iterable[Record]) -> list[Record]:
    """Of runs of one configuration, the last: the same numbers twice are no second sample."""
    return list({record.manifest["config_hash"]: record for record in records}.values())


def matching(records: Sequence[Record], condition: str) -> list[Record]:
    """The runs that meet ``KEY=VALUE`` or ``KEY=VALUE,VALUE``; ``tag`` is a key, too.

    Raises:
        UserError: No run has this key, or none this value.
    """
    key, equals, text = condition.partition("=")
    if not equals:
        raise UserError(f"--where {condition}: expected KEY=VALUE")
    if not records:
        return []
    known = {"state", TAG}.union(*(record.settings for record in records))
    if key not in known:
        raise UserError(f"--where {condition}: no run has this key; {nearest(key, known)}")
    # Data of files go by their kind as well, all of them.
    values = {value for record in records for value in record.answers(key)}
    # A list is one value, whatever commas it holds.
    wanted = [text] if text in values else text.split(",")
    if not values:
        raise UserError(
            f"--where {condition}: no run has a tag yet; `genlab tag RUN WORD` gives one"
        )
    for value in wanted:
        if value not in values:
            raise UserError(f"--where {condition}: no run has {value!r}; {nearest(value, values)}")
    return [record for record in records if not record.answers(key).isdisjoint(wanted)]
