"""What a run's numbers are about: the rows that it was tested on, or the problem that it solved."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genlab.runs.settings import CHOICE, FILES, NOTED, RUNS, TABLES, TESTED_ON

__all__ = ["VALIDATION", "Subject", "named", "subject_of", "tells"]

# Of these sections each key counts that is not among the next: what is unknown may matter.
SECTIONS = ("data.", "problem.")
# How rows are learned from, how they are handed to a model, and what follows from other keys.
INDIFFERENT = re.compile(
    r"data\.(batch_size|train_size|val_size|val_fraction|standardise|alpha|precision|missing"
    r"|log|(bounds|levels|types)\..*|resample|event_shape|context_dim|labels|classes|_target_"
    r"|(source\.)?(root|mirrors))"
    r"|problem\.n_points|(.+\.)?seed"
)
# What else decides which rows are validated on.
VALIDATION = ("data.val_size", "data.val_fraction", "data.val_path", NOTED)
# Which file it is stands in its checksum, whatever its path; a part of the data may repeat that.
OF_FILES = frozenset((*FILES, *RUNS, NOTED))
PART = re.compile(r"(?<=^data\.)(source|target)\.")
# The split of a table is nothing to a file of its own to test on.
SPLIT = ("data.path", "data.split_seed", "data.test_fraction")
# What stands in cells of rows to test on, where medians of those to learn from fill them.
IMPUTED = "impute_median"
BY_IMPUTED = ("data.missing", "data.train_size")
RESIDUAL = "pinn_residual"
# Images to test on have one noise each, whichever those to learn from get.
NOISE = ("fresh", "fixed")
# A run of an older version lacks the keys that came since.
UNSET: tuple[object, ...] = (None, [])
DIGITS = 6


@dataclass(frozen=True)
class Subject:
    """What numbers are about; those about equal subjects can be compared.

    Attributes:
        name: The choice of the data or of the problem.
        settings: What decides which rows are tested on: settings, and the checksum of each file, or
            its path where a run of an older version has noted none.
        content: That of the file that the data are called by.
        path: Where this file was; a copy of it elsewhere is the same.
    """

    name: str
    settings: tuple[tuple[str, str], ...]
    content: str | None = None
    path: Path | None = field(default=None, compare=False)


def tells(key: str) -> bool:
    """Whether a setting says what the numbers of a test are about, not how they were got."""
    return key in ("data", "problem") or (
        key.startswith(SECTIONS) and INDIFFERENT.fullmatch(key) is None
    )


def subject_of(manifest: Mapping[str, Any]) -> Subject:
    """The subject of a run, by what its ``run.json`` says."""
    config = manifest["config"]
    sections = (*SECTIONS, "pinn.") if config.get(f"{CHOICE}data") == RESIDUAL else SECTIONS
    files = _files(manifest)
    told = {
        key: str(value)
        for key, value in config.items()
        if key.startswith(sections)
        and not (INDIFFERENT.fullmatch(key) or PART.sub("", key) in OF_FILES)
        and value not in (*NOISE, *UNSET)
    } | files
    # Weights are scaled, and steps of a grid are found, by the rows to learn from too; the seed of
    # the split draws the noise of what is discrete.
    scaled = ("data.dequantise", "data.integer", "data.categories")
    whole = config.get("data.weight") is not None or any(map(config.get, scaled))
    if config.get("data.missing") == IMPUTED:
        whole, told = True, told | {key: str(config.get(key)) for key in BY_IMPUTED}
    if "data.test_path" in files and not whole:
        for key in SPLIT:
            told.pop(key, None)
    source = next((key for key in TESTED_ON if key in files), None)
    if source is None:
        return Subject(manifest["data"], tuple(sorted(told.items())))
    path = Path(config[source])
    return Subject(manifest["data"], tuple(sorted(told.items())), files[source], path)


def named(subjects: Sequence[Subject]) -> list[str]:
    """What each of several runs was about, in as few words as tell them apart.

    Data of a file are called by it, as ``table:mine.csv``; by more of its path where files in
    several folders have that name, and by the start of the checksum where the file has changed.
    """
    # The same file in two places is one file.
    places: dict[tuple[str, str | None], Path] = {}
    for subject in subjects:
        if subject.path is not None:
            places.setdefault((subject.name, subject.content), subject.path)
    contents: defaultdict[tuple[str, Path], set[str | None]] = defaultdict(set)
    for (name, content), path in places.items():
        contents[name, path].add(content)
    names = {}
    for (name, content), path in places.items():
        beside = [other for of, other in contents if of == name and other != path]
        word = f"{name}:{_short(path, beside)}"
        if len(contents[name, path]) > 1 and content != str(path):
            word += f"@{str(content)[:DIGITS]}"
        names[name, content] = word
    return [
        subject.name if subject.path is None else names[subject.name, subject.content]
        for subject in subjects
    ]


def _files(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What tells each file that a run was tested on from others, by its key."""
    config = manifest["config"]
    noted = dict(manifest.get("files", {}))
    if config.get(NOTED):
        tables = (key for key in TABLES if config.get(key))
        noted |= zip(tables, config[NOTED], strict=True)
    return {key: noted.get(key, config[key]) for key in TESTED_ON if config.get(key)}


def _short(path: Path, beside: Iterable[Path]) -> str:
    """The last parts of a path, as many as no other one has."""
    others = {other.parts for other in beside}
    for number in range(1, len(path.parts)):
        last = path.parts[-number:]
        if not any(other[-number:] == last for other in others):
            return "/".join(last)
    return str(path)
