"""Runs grouped by what differs: those of one group differ in nothing but their seed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from genlab.runs.comparison.records import Record
from genlab.runs.comparison.subjects import VALIDATION, Subject, tells
from genlab.runs.metrics import standardised
from genlab.runs.settings import LATE, SILENT

__all__ = ["Group", "by_nature", "differing", "grouped", "legend"]

ALWAYS = ("model", "data")
SEED = re.compile(r"(.+\.)?seed")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Group:
    """Runs of one setting.

    Attributes:
        settings: The values of the keys that were grouped by, in their order.
        records: The runs, by seed.
    """

    settings: tuple[str, ...]
    records: tuple[Record, ...]

    @property
    def subject(self) -> Subject:
        """What the numbers of its runs are about."""
        return self.records[0].subject

    def decides(self, key: str) -> bool:
        """Whether a setting says what its numbers are about."""
        return key == "data" or key in dict(self.subject.settings)

    def about(self, tag: str) -> Hashable:
        """What a metric is about, and in which units, equal where it can be compared."""
        if not tag.startswith("val/"):
            return self.subject, self.standardised(tag)
        return self.subject, *(self.records[0].reads(key) for key in VALIDATION)

    def standardised(self, tag: str) -> bool:
        """Whether a metric is a distance in standardised units in its runs."""
        return any(standardised(tag, record.metrics) for record in self.records)

    def metric(self, tag: str) -> list[float | None]:
        """A metric of each run; None where one lacks it."""
        return [record.metrics.get(tag) for record in self.records]


def differing(records: Sequence[Record]) -> list[str]:
    """``model``, ``data``, and each further key that the keys before it do not tell.

    What follows from the choice of the model, such as its learning rate, is no column of its own;
    what differs among runs of one model is.
    """
    keys = list(ALWAYS)
    parts = list(_parts([records], ALWAYS))
    for key in sorted(set().union(*(record.settings for record in records)), key=_rank):
        # Seeds are averaged over.
        if SILENT.fullmatch(key) or SEED.fullmatch(key) or key in keys:
            continue
        if any(len({record.reads(key) for record in part}) > 1 for part in parts):
            keys.append(key)
            parts = list(_parts(parts, [key]))
    return keys


def grouped(records: Iterable[Record], keys: Sequence[str]) -> list[Group]:
    """The runs by their values of ``keys``, in the order of these."""
    found: defaultdict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        found[tuple(record.reads(key) for key in keys)].append(record)
    groups = (
        Group(settings, tuple(sorted(members, key=lambda record: record.seed)))
        for settings, members in found.items()
    )
    return sorted(groups, key=lambda group: [by_nature(text) for text in group.settings])


def legend(group: Group, keys: Sequence[str]) -> dict[str, str]:
    """The settings of a group as a legend tells them: model and data as they are, others by key.

    A key is told by its last part, or by more of it where another key ends so too. What a group
    does not have is left out.
    """
    return {
        key: value if key in ALWAYS else f"{_short(key, keys)}={value}"
        for key, value in zip(keys, group.settings, strict=True)
        if value
    }


def by_nature(text: str) -> tuple[bool, float, str]:
    """A key to sort by: numbers by their size, before words."""
    is_number = NUMBER.fullmatch(text) is not None
    return not is_number, float(text) if is_number else 0.0, text


def _short(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    ends = (".".join(parts[-number:]) for number in range(1, len(parts)))
    return next((end for end in ends if sum(f".{k}".endswith(f".{end}") for k in keys) == 1), key)


def _rank(key: str) -> tuple[bool, int, bool, str]:
    # What another key stands for is told last, and so only where nothing else tells it.
    # Choices have no dot, and explain the keys below them; what was to be done goes before how.
    return LATE.fullmatch(key) is not None, key.count("."), not tells(key), key


def _parts(parts: Iterable[Sequence[Record]], keys: Sequence[str]) -> Iterable[Sequence[Record]]:
    for part in parts:
        for group in grouped(part, keys):
            yield group.records
