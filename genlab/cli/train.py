"""``genlab train``: a Hydra application, with its sweeps, ``--cfg``, ``--info`` and the rest."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from genlab.cli.fitting import fit
from genlab.cli.processes import is_first, separate
from genlab.cli.replicas import fit_replicas
from genlab.cli.waiting import loading
from genlab.errors import UserError, nearest
from genlab.runs.directory import RunDirectory
from genlab.runs.find import find_runs

__all__ = ["run", "train_one"]

DRY_RUN = "--dry-run"
# A saved sweep, and what a sweep is told: nothing to a single run.
SWEEPS = re.compile(r"\+?sweep[.=]")
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

    from genlab.config import check, compose, config_dir, explain, register_claim

    dry_run = DRY_RUN in words
    # Hydra wants all overrides in one row: `model=nice -m seed=1,2` is put in order.
    ordered = sorted(
        (word for word in words if word != DRY_RUN),
        key=lambda word: OVERRIDE.fullmatch(word) is not None,
    )
    arguments = _parse(ordered, command)
    if _sweeps(arguments):
        return _sweep(arguments, ordered, command, dry_run=dry_run)
    _refuse_sweeps_own(arguments.overrides, dry_run=dry_run)
    made = register_claim(make=_trains(arguments))
    own = arguments.config_name is None and arguments.config_path is None
    if own and _trains(arguments):
        with loading():
            check(compose(command, _with_searchpath(arguments)))
        _check_run_dir(arguments, command)
    failures: list[Exception] = []

    def task(config: Any) -> float | None:
        try:
            return train_one(config, arguments, made, command=command)
        except Exception as error:
            failures.append(error)
            return None

    main = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=command)
    with _as_program(ordered):
        try:
            main(task)()
        except SystemExit as end:
            return int(end.code or 0)
        except Exception as error:
            mistake = explain(error, command, arguments.overrides)
            if mistake is None or mistake is error:
                raise
            raise mistake from error
    for failure in failures:
        raise failure
    return 0


def _sweep(arguments: Namespace, ordered: Sequence[str], command: str, *, dry_run: bool) -> int:
    from genlab.cli.sweep import sweep
    from genlab.config import explain, register_claim

    made = register_claim(make=not dry_run)
    with _as_program(ordered):
        try:
            overrides = _with_searchpath(arguments)
            return sweep(arguments, overrides, command, made=made, dry_run=dry_run)
        except Exception as error:
            mistake = explain(error, command, arguments.overrides)
            if mistake is None or mistake is error:
                raise
            raise mistake from error


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


def train_one(
    config: Any, arguments: Namespace, made: set[Path], *, command: str, again: bool = False
) -> float | None:
    """One run in the directory that Hydra gave; the metric that its checkpoint was chosen by.

    ``made`` are the directories of runs and sweeps that genlab made for itself. A job of a sweep
    that went down with its launcher is trained ``again``, from its last checkpoint. Replicas have a
    directory each inside that one, and no metric in common.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import read_write

    from genlab.config import check, complete

    hydra_config: Any = HydraConfig.get()
    complete(config, command, hydra_config.runtime.choices, hydra_config.overrides.task)
    check(config)
    # Data-parallel training starts the same command again, in the directory of this run.
    task = [word for word in hydra_config.overrides.task if not SWEEPS.match(word)]
    sys.argv = [sys.argv[0], command, *_config_flags(arguments), *task]
    with read_write(hydra_config):
        hydra_config.run.dir = hydra_config.runtime.output_dir

    path = Path(hydra_config.runtime.output_dir)
    run = RunDirectory(path)
    goes_on = again and run.manifest.exists() and run.last.exists()
    if is_first() and not goes_on:
        if again and find_runs(path):
            shutil.rmtree(path)
        if config.trainer.replicas == 1:
            RunDirectory.create(path)
    try:
        with separate():
            if config.trainer.replicas > 1:
                fit_replicas(config, path)
                return None
            metrics = fit(config, run, resume=True) if goes_on else fit(config, run)
    except BaseException:
        # What ended before it started leaves nothing, but a user's own folder stays.
        ours = not made.isdisjoint({path.resolve(), path.parent.resolve()})
        if ours and is_first() and not find_runs(path):
            shutil.rmtree(path)
        raise
    return metrics.get(config.trainer.monitor)


def _check_run_dir(arguments: Namespace, command: str) -> None:
    """Refuse a directory that holds a run already, before Hydra writes into it.

    Raises:
        UserError: ``hydra.run.dir`` was set to such a directory.
    """
    from omegaconf import OmegaConf

    from genlab.config.raw import compose_raw

    is_set = any(word.lstrip("+").startswith("hydra.run.dir=") for word in arguments.overrides)
    if not is_set or not is_first():
        return
    composed = compose_raw(command, _with_searchpath(arguments))
    # What only a running Hydra can resolve is left to it.
    folder = OmegaConf.select(composed, "hydra.run.dir", throw_on_resolution_failure=False)
    if folder is not None and RunDirectory(Path(folder)).manifest.exists():
        RunDirectory.create(folder)  # raises, and says how to go on


def _parse(words: Sequence[str], command: str) -> Namespace:
    """Hydra's own flags, with errors that name the nearest."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (-\S+)", message)
        options = [option for action in parser._actions for option in action.option_strings]
        hint = nearest(unknown[1], options) if unknown else f"see `genlab {command} --help`"
        raise UserError(f"{command}: {message}; {hint}")

    parser.error = refuse  # type: ignore[method-assign]
    arguments = parser.parse_args(list(words))
    if arguments.experimental_rerun is not None:
        refuse("--experimental-rerun would write into the old run")
    asked = (arguments.run, arguments.multirun, arguments.cfg, arguments.info)
    if sum(map(bool, (*asked, arguments.shell_completion))) > 1:
        refuse("-m, --run, --cfg, --info and --shell-completion exclude each other")
    if arguments.resolve and not (arguments.cfg or arguments.help):
        refuse("--resolve goes with --cfg")
    return arguments


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


def _config_flags(arguments: Namespace) -> list[str]:
    flags = {
        "--config-dir": arguments.config_dir,
        "--config-name": arguments.config_name,
        "--config-path": arguments.config_path,
    }
    return [word for flag, value in flags.items() if value is not None for word in (flag, value)]


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
