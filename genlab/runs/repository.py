"""The user's own repository: its commit, and what it held beyond that when a run began."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

__all__ = ["LARGEST", "Repository", "repository_of"]

LARGEST = 1_000_000
"""Bytes of a patch that a run keeps."""

# Plain, whatever the user's configuration says, and without what no patch can bring back.
DIFF = (
    *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--unified=3"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=dirty"),
)


class Repository(NamedTuple):
    """A repository of git.

    Attributes:
        root: Its folder.
        commit: What is checked out.
        patch: What its tracked files differ in from that, for ``git apply``; first, in words, the
            names of binary ones. None where that takes more than `LARGEST`.
    """

    root: str
    commit: str
    patch: bytes | None


def repository_of(folder: Path) -> Repository | None:
    """The repository that a folder is in; None without one, without a commit, or without git."""
    if shutil.which("git") is None:
        return None
    found = _git(folder, "rev-parse", "--show-toplevel", "HEAD")
    if found is None:
        return None
    root, commit = found.decode(errors="replace").split("\n")[:2]
    difference = _git(Path(root), *DIFF, "HEAD")
    if difference is None:
        return None
    patch = _appliable(difference) if len(difference) <= LARGEST else None
    return Repository(root, commit, patch)


def _appliable(difference: bytes) -> bytes:
    """The changes of text, below a line on each binary file: git applies all of a patch or none."""
    binary, text = [], []
    for part in re.split(rb"^(?=diff --git )", difference, flags=re.MULTILINE):
        told = re.search(rb"^Binary files .*\n", part, flags=re.MULTILINE)
        if told is None:
            text.append(part)
        else:
            binary.append(told[0])
    return b"".join((*binary, *text))


def _git(folder: Path, *words: str) -> bytes | None:
    """The answer of git, no more than a byte above `LARGEST`; None where it has failed."""
    import subprocess

    with subprocess.Popen(
        ("git", *words),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Another git may be at work in the same repository.
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    ) as git:
        assert git.stdout is not None
        answer = git.stdout.read(LARGEST + 1)
        if len(answer) > LARGEST:
            git.kill()
            return answer
    return answer if git.returncode == 0 else None
