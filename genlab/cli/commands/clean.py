"""``genlab clean --failed``: remove the directories of runs that came to nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from genlab.cli.arguments import Parser
from genlab.errors import GenlabError, UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.find import OUTPUTS, find_runs
from genlab.runs.status import effective_state

__all__ = ["run"]

EXAMPLES = """\
  genlab clean --failed --dry-run            name them, remove nothing
  genlab clean --failed --killed             below outputs/
  genlab clean --failed outputs/2025-01-31   below another folder

A run that was interrupted or killed can go on by `genlab resume`; one whose files cannot be read is
left where it is."""

STATES = ("failed", "killed", "interrupted")


def run(words: list[str]) -> int:
    parser = Parser("clean", EXAMPLES)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="runs, or folders")
    for state in STATES:
        parser.add_argument(
            f"--{state}", dest="states", action="append_const", const=state, help=f"{state} runs"
        )
    parser.add_argument("--dry-run", action="store_true", help="name them, remove nothing")
    arguments = parser.parse(words)
    if not arguments.states:
        parser.error(f"say which runs: {', '.join(f'--{state}' for state in STATES)}")
    for path in arguments.paths:
        if not path.is_dir():
            raise UserError(f"clean {path}: no such folder")
    found = list(_in_state(arguments.paths or [OUTPUTS], arguments.states))
    for directory, state in found:
        if not arguments.dry_run:
            shutil.rmtree(directory.path)
        print(f"{'would remove' if arguments.dry_run else 'removed'} {state} {directory.path}")
    if not found:
        print(f"no {' or '.join(arguments.states)} runs")
    return 0


def _in_state(paths: Sequence[Path], states: Sequence[str]) -> Iterator[tuple[RunDirectory, str]]:
    runs = {run.path.resolve(): run for path in paths for run in find_runs(path)}
    for directory in runs.values():
        try:
            state = effective_state(directory)
        except GenlabError:
            continue
        if state in states:
            yield directory, state
