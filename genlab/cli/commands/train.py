"""``genlab train``: a Hydra application, with its sweeps, ``--cfg``, ``--info`` and the rest."""

from __future__ import annotations

import logging
import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from genlab.cli.hydra_app import parse, suggestions_filled
from genlab.cli.one_run import train_one
from genlab.cli.options import listing
from genlab.cli.run_argument import loading
from genlab.cli.sweep import sweep
from genlab.errors import UserError
from genlab.processes import is_first
from genlab.runs.directory import RunDirectory
from genlab.runs.find import find_runs

__all__ = ["run"]

DRY_RUN = "--dry-run"
OVERRIDE = re.compile(r"[+~].*|[\w./@-]*\w=.*", re.DOTALL)


def run(words: Sequence[str], *, command: str = "train") -> int:
    """Train one model, or one after the other with ``-m``.

    A single run is checked before its directory is made.

    Args:
        words: What follows the command.
        command: The primary configuration: another application of the same kind has its own.

    Raises:
        UserError: The configuration has a mistake.
        RunError: A run failed.
    """
    import hydra

    from genlab.config import config_dir
    from genlab.config.check import check
    from genlab.config.composition import compose
    from genlab.config.explain import explained
    from genlab.config.output import register_claim
    from genlab.config.primary import VERSION_BASE, refuse_suggested

    dry_run = DRY_RUN in words
    # Hydra wants all overrides in one row: `model=nice -m seed=1,2` is put in order.
    ordered = sorted(
        (word for word in words if word != DRY_RUN),
        key=lambda word: OVERRIDE.fullmatch(word) is not None,
    )
    arguments = parse(ordered, command)
    if _sweeps(arguments):
        return _sweep(arguments, ordered, command, dry_run=dry_run)
    _refuse_sweeps_own(arguments.overrides, dry_run=dry_run)
    made = register_claim(make=_trains(arguments))
    _register_groups(arguments)
    own = arguments.config_name is None and arguments.config_path is None
    if own and _trains(arguments):
        with loading():
            config = compose(command, _with_searchpath(arguments))
            check(config)
        if is_first(config.trainer):
            _check_run_dir(arguments, command, config)
    failures: list[Exception] = []

    def task(config: Any) -> float | None:
        try:
            return train_one(config, arguments, made, command=command)
        except Exception as error:
            failures.append(error)
            return None

    main = hydra.main(version_base=VERSION_BASE, config_path=str(config_dir()), config_name=command)
    refuse_suggested(command, arguments.overrides)
    with _as_program(ordered), suggestions_filled(), explained(command, arguments.overrides):
        try:
            main(task)()
        except SystemExit as end:
            return int(end.code or 0)
    for failure in failures:
        raise failure
    return 0


def _sweep(arguments: Namespace, ordered: Sequence[str], command: str, *, dry_run: bool) -> int:
    from genlab.config.explain import explained
    from genlab.config.output import register_claim

    made = register_claim(make=not dry_run)
    with _as_program(ordered), explained(command, arguments.overrides):
        overrides = _with_searchpath(arguments)
        return sweep(arguments, overrides, command, made=made, dry_run=dry_run)


def _refuse_sweeps_own(overrides: Sequence[str], *, dry_run: bool) -> None:
    """Refuse what only a sweep reads.

    Raises:
        UserError: It was asked for without ``-m``.
    """
    own = [word for word in overrides if word.startswith("sweep.")]
    for word in [*own, *([DRY_RUN] if dry_run else [])]:
        raise UserError(f"{word}: goes with -m, a sweep")
    for word in overrides:
        if re.match(r"\+?search[.=]", word):
            raise UserError(f"{word}: goes with `genlab tune`")


def _check_run_dir(arguments: Namespace, command: str, config: Any) -> None:
    """Refuse a directory that holds a run already, or runs below, before Hydra writes into it.

    Raises:
        UserError: ``hydra.run.dir`` was set to such a directory.
    """
    from omegaconf import OmegaConf

    from genlab.config.primary import compose_raw

    is_set = any(word.lstrip("+").startswith("hydra.run.dir=") for word in arguments.overrides)
    if not is_set:
        return
    composed = compose_raw(command, _with_searchpath(arguments))
    # What only a running Hydra can resolve is left to it.
    folder = OmegaConf.select(composed, "hydra.run.dir", throw_on_resolution_failure=False)
    if folder is None:
        return
    runs = [RunDirectory(Path(folder))]
    if config.trainer.replicas > 1:
        from genlab.assembly import alone, replica_directory

        runs += [replica_directory(one, Path(folder)) for one in alone(config)]
    for run in runs:
        if run.manifest.exists():
            raise run.taken()
    if config.trainer.replicas == 1 and (inside := find_runs(Path(folder))):
        raise UserError(
            f"hydra.run.dir={folder}: a run there would hide those below it, as "
            f"{inside[0].path}; choose another directory"
        )


def _register_groups(arguments: Namespace) -> None:
    """Let the text of ``--help`` name the choices by ``${genlab.groups:COMMAND}``."""
    from omegaconf import OmegaConf

    from genlab.config import config_dir

    folders = [config_dir(), *([Path(arguments.config_dir)] if arguments.config_dir else [])]
    # A closure could not travel to the processes of a sweep.
    OmegaConf.register_new_resolver("genlab.groups", partial(_groups, folders), replace=True)


def _groups(folders: Sequence[Path], command: str) -> str:
    from genlab.config.primary import own_groups

    return listing(folders, {*own_groups(command), "sweep"})


def _trains(arguments: Namespace) -> bool:
    shows = (
        arguments.help,
        arguments.hydra_help,
        arguments.cfg,
        arguments.info,
        arguments.shell_completion,
    )
    return not any(shows)


def _sweeps(arguments: Namespace) -> bool:
    """Whether several runs are asked for: by a flag, or by a saved sweep."""
    asked = arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides
    saved = any(re.match(r"\+?sweep=", word) for word in arguments.overrides)
    return _trains(arguments) and (asked or saved)


def _with_searchpath(arguments: Namespace) -> list[str]:
    """The overrides, and the folder of ``--config-dir`` as one of them."""
    if arguments.config_dir is None:
        return list(arguments.overrides)
    folder = Path(arguments.config_dir).absolute()
    if not folder.is_dir():
        raise UserError(f"--config-dir {folder}: no such folder")
    return [*arguments.overrides, f"hydra.searchpath=['file://{folder}']"]


@contextmanager
def _as_program(words: Sequence[str]) -> Iterator[None]:
    """Hydra reads ``sys.argv``, sets up logging, and raises errors only where it is told to."""
    root = logging.getLogger()
    argv, handlers, level = sys.argv, root.handlers[:], root.level
    environment = os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [argv[0], *words]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        if environment is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = environment
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
