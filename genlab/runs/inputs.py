"""The files that a run reads: what tells one from another of the same name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from genlab.runs.directory import RunDirectory

__all__ = ["checksum", "checksums"]

FILES = ("data.path", "data.val_path", "data.test_path", "data.file", "problem.file")
# Of another run its weights are read.
RUNS = ("data.run", "trainer.warm_start")
# What reads tables notes these itself.
NOTED = "data.checksums"
DIGITS = 16


def checksums(config: Mapping[str, Any]) -> dict[str, str]:
    """The start of the SHA-256 of each file that a configuration names, by its key.

    Of a folder the names and sizes of what it holds are counted; what does not exist is left out.

    Args:
        config: The flat configuration.
    """
    named = {key: Path(config[key]) for key in FILES if config.get(key)}
    if NOTED in config:
        named = {key: path for key, path in named.items() if not key.endswith("path")}
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
