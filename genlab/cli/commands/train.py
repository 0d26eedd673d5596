"""``genlab train``: one run, or a sweep, with ``--cfg``, ``--info`` and the rest of Hydra."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Sequence

from genlab.cli.hydra_app import file_wants_several, is_multirun, overrides, parse, show
from genlab.cli.run import composed, run_words
from genlab.cli.sweep import sweep
from genlab.errors import UserError

__all__ = ["run"]

DRY_RUN = "--dry-run"
OVERRIDE = re.compile(r"[+~].*|[\w./@-]*\w=.*", re.DOTALL)


def run(words: Sequence[str], *, command: str = "train") -> int:
    """Train one model, or one after the other with ``-m``.

    Args:
        words: What follows the command.
        command: The primary configuration: another application of the same kind has its own.

    Raises:
        UserError: The configuration has a mistake.
        RunError: A run failed.
    """
    dry_run = DRY_RUN in words
    # Hydra wants all overrides in one row, and takes one for the value of an `--info` before it.
    ordered = sorted(
        (word for word in words if word != DRY_RUN),
        key=lambda word: OVERRIDE.fullmatch(word) is None,
    )
    arguments = parse(ordered, command)
    if _shows(arguments):
        return show(arguments, ordered, command)
    given = overrides(arguments)
    sweeps = _sweeps(arguments) or (not arguments.run and file_wants_several(command, given))
    _refuse_launcher(arguments.overrides, sweeps=sweeps)
    if sweeps:
        return sweep(command, given, dry_run=dry_run)
    whole = composed(command, given)
    if not arguments.run and is_multirun(whole):
        return sweep(command, given, dry_run=dry_run)
    _refuse_what_a_sweep_reads(arguments.overrides, dry_run=dry_run)
    if whole.hydra.sweeper.params:
        print("note: what is chosen holds a sweep; -m runs it, this is one run", file=sys.stderr)
    run_words(command, given, whole)
    return 0


def _shows(arguments: Namespace) -> bool:
    """Whether something is to be shown, and nothing trained."""
    shows = (
        arguments.help,
        arguments.hydra_help,
        arguments.cfg,
        arguments.info,
        arguments.shell_completion,
    )
    return any(shows)


def _sweeps(arguments: Namespace) -> bool:
    """Whether several runs are asked for: by a flag, or by a saved sweep."""
    asked = arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides
    return asked or any(re.match(r"\+?sweep=", word) for word in arguments.overrides)


def _refuse_launcher(overrides: Sequence[str], *, sweeps: bool) -> None:
    """Refuse a launcher where there is nothing to launch, or that is chosen in another way.

    Raises:
        UserError: There is such a word.
    """
    for word in overrides:
        found = re.match(r"[+]{0,2}hydra([/.])launcher\b([^=]*)=(.*)", word, re.DOTALL)
        if found and not sweeps:
            raise UserError(f"{word}: goes with -m, a sweep; one run is trained here")
        if found and found[1] == "." and not found[2]:
            raise UserError(f"{word}: no such key; write hydra/launcher={found[3]}")


def _refuse_what_a_sweep_reads(overrides: Sequence[str], *, dry_run: bool) -> None:
    """Refuse what only a sweep or a search reads.

    Raises:
        UserError: It was asked for without ``-m``.
    """
    own = [word for word in overrides if word.startswith("sweep.")]
    for word in [*own, *([DRY_RUN] if dry_run else [])]:
        raise UserError(f"{word}: goes with -m, a sweep")
    for word in overrides:
        if re.match(r"\+?search[.=]", word):
            raise UserError(f"{word}: goes with `genlab tune`")
