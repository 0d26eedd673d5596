"""The settings of a run: flat, with the files that they name, and the hash of all that counts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from genlab.runs.directory import RunDirectory

__all__ = [
    "CHOICE",
    "FILES",
    "LATE",
    "NOTED",
    "RUNS",
    "SILENT",
    "TABLES",
    "TESTED_ON",
    "checksum",
    "checksums",
    "config_hash",
    "flatten",
    "hash_of",
    "nested",
    "places",
    "spell",
]

# In the flat configuration, what stands before the name of a group.
CHOICE = "choices."
# Keys that say where a run is kept and what shows it, not what it is.
SILENT = re.compile(r"(outputs|command|logger|kind)\b.*")
# Keys that follow from what a choice or another key says.
LATE = re.compile(r"callbacks\b.*|.*\b_(target|partial)_")
# Where a run is stored and what it is shown with does not change what it computes.
OUTSIDE_HASH = re.compile(r"(outputs|(choices\.)?logger)(\..*)?")

# Keys that name files, those of a table first; those that name another run, whose weights are read.
TABLES = ("data.path", "data.val_path", "data.test_path")
FILES = (*TABLES, "data.file", "problem.file")
RUNS = ("data.run", "trainer.warm_start")
# What a run is tested on, the first of these that it has.
TESTED_ON = ("data.test_path", "data.path", "data.file", "data.run", "problem.file")
# What reads tables notes their checksums itself, in the order above.
NOTED = "data.checksums"
DIGITS = 16


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists and empty mappings are values.

    >>> flatten({"model": {"layers": 8, "hidden": [64, 64]}})
    {'model.layers': 8, 'model.hidden': [64, 64]}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def nested(
    flat: Mapping[str, Any], like: Mapping[Any, Any] = MappingProxyType({})
) -> dict[Any, Any]:
    """What `flatten` made flat.

    Args:
        flat: Values by dotted keys.
        like: What was made flat, where a key of its own may have a dot, or be no text.

    >>> nested({"model.layers": 8, "model.hidden": [64, 64], "seed": 0})
    {'model': {'layers': 8, 'hidden': [64, 64]}, 'seed': 0}
    >>> nested({"choices.solver@model.evaluation": 1}, {"choices": {"solver@model.evaluation": 2}})
    {'choices': {'solver@model.evaluation': 1}}
    """
    known = places(like)
    config: dict[Any, Any] = {}
    for key, value in flat.items():
        *sections, name = known.get(key, key.split("."))
        within = config
        for section in sections:
            within = within.setdefault(section, {})
        within[name] = value
    return config


def places(config: Mapping[Any, Any]) -> dict[str, tuple[Any, ...]]:
    """The keys that lead to each value, by the dotted key that `flatten` gives it.

    >>> places({"data": {"bounds": {"p.1": [0, 1]}}})
    {'data.bounds.p.1': ('data', 'bounds', 'p.1')}
    """
    return {".".join(map(str, path)): path for path in _paths(config)}


def _paths(config: Mapping[Any, Any], above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, (*above, key))
        else:
            yield (*above, key)


def spell(value: object) -> str:
    """A setting as tables and loggers show it: text as it is, all else as JSON.

    >>> spell("auto"), spell([64, 64]), spell(["φ"]), spell(True), spell(None)
    ('auto', '[64,64]', '["φ"]', 'true', 'null')
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def config_hash(config: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that two configurations share when they compute the same run.

    What the files hold that a configuration names is counted: a target that was edited is another.
    """
    flat = flatten(config)
    return hash_of(flat, checksums(flat))


def hash_of(flat: Mapping[str, Any], files: Mapping[str, str] | None) -> str:
    """The same of a flat configuration, and of the checksums of its files."""
    import hashlib

    counted = {key: value for key, value in flat.items() if not OUTSIDE_HASH.fullmatch(key)}
    text = json.dumps({**counted, "files": files} if files else counted, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def checksums(config: Mapping[str, Any]) -> dict[str, str]:
    """The start of the SHA-256 of each file that a configuration names, by its key.

    Of a folder the names and sizes of what it holds are counted; what does not exist is left out.

    Args:
        config: The flat configuration.
    """
    named = {key: Path(config[key]) for key in FILES if config.get(key)}
    if NOTED in config:
        named = {key: path for key, path in named.items() if key not in TABLES}
    named |= {key: RunDirectory(Path(config[key])).best for key in RUNS if config.get(key)}
    return {key: checksum(path) for key, path in named.items() if path.exists()}


def checksum(path: Path) -> str:
    """The start of the SHA-256 of a file, or of the names and sizes of what a folder holds.

    A file is read once in a process, as long as its size and times stay: a sweep asks for each job.
    """
    import hashlib

    if path.is_dir():
        return hashlib.sha256("".join(sorted(_listed(path))).encode()).hexdigest()[:DIGITS]
    stat = path.stat()
    return _digest(path.absolute(), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _listed(folder: str | Path, within: str = "") -> Iterator[str]:
    # By scandir: many images take pathlib several times as long.
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _listed(entry.path, f"{within}{entry.name}/")
            elif entry.is_file():
                yield f"{within}{entry.name} {entry.stat().st_size}\n"


@cache
def _digest(path: Path, *_: int) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
