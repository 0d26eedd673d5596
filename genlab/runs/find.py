"""Finding run directories: by path, by name, or the latest."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from genlab.errors import GenlabError, UserError, first_few
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json

__all__ = ["OUTPUTS", "find_runs", "latest", "resolve"]

OUTPUTS = Path("outputs")

# Either is enough: a process killed early leaves a run that is worth listing.
MARKS = ("run.json", "status.json")
# Runs that a message lists; their names are long.
SHOWN = 3


def find_runs(folder: Path) -> list[RunDirectory]:
    """Every run at or below ``folder``, by path; what lies inside a run is not searched."""
    if not folder.is_dir():
        return []
    return sorted(_walk(folder), key=lambda run: run.path)


def latest(folder: Path = OUTPUTS) -> RunDirectory | None:
    """The run below ``folder`` that was started last; None where there is none."""
    return max(find_runs(folder), key=_created, default=None)


def resolve(text: str, folder: Path = OUTPUTS) -> RunDirectory:
    """The run that a user means: a path, ``latest``, or the name of a run below ``folder``.

    Raises:
        UserError: There is none or more than one, with the nearest.
    """
    if RunDirectory(Path(text)).manifest.exists():
        return RunDirectory.open(text)
    if text == "latest":
        run = latest(folder)
        if run is None:
            raise UserError(f"latest: no runs below {folder} yet; a training makes one")
        return run
    runs = find_runs(folder)
    wanted = Path(text).parts
    matches = [run for run in runs if run.path.parts[-len(wanted) :] == wanted]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(str(run.path) for run in matches[:3])
        raise UserError(f"{text}: {len(matches)} runs have this name, give the path: {names}")
    raise UserError(f"{text}: {_reason(text)}; {_hint(text, runs, folder)}")


def _walk(folder: Path) -> Iterator[RunDirectory]:
    try:
        listed = list(os.scandir(folder))
    except OSError:
        return  # Removed meanwhile, or not ours to read: no run that can be shown.
    if any(entry.name in MARKS for entry in listed):
        yield RunDirectory(folder)
        return
    for entry in listed:
        # Links are not followed: a link to a folder above would never end.
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _walk(Path(entry.path))


def _created(run: RunDirectory) -> str:
    try:
        return str(read_json(run.manifest).get("created", ""))
    except GenlabError:
        return ""


def _reason(text: str) -> str:
    if Path(text).is_dir():
        return "not a run directory (run.json is missing)"
    return "no such run"


def _hint(text: str, runs: list[RunDirectory], folder: Path) -> str:
    if not runs:
        return f"there are no runs below {folder} yet, a training makes one"
    inside = [run for run in runs if run.path.is_relative_to(text)]
    if inside:
        return f"runs below it: {len(inside)}, the first is {inside[0].path}"
    paths = [str(run.path) for run in runs]
    names = {run.path.name: path for run, path in zip(runs, paths, strict=True)}
    names |= dict(zip(paths, paths, strict=True)) | {"latest": "latest"}
    close = difflib.get_close_matches(text, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {names[close[0]]!r}?"
    latest_first = [str(run.path.relative_to(folder)) for run in reversed(runs)]
    return f"those below {folder} are {first_few(latest_first, SHOWN)}"
