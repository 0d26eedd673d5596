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
from genlab.cli.waiting import loading
from genlab.errors import UserError, nearest
from genlab.runs.directory import RunDirectory

__all__ = ["run"]

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

    # Hydra wants all overrides in one row: `model=nice -m seed=1,2` is put in order.
    ordered = sorted(words, key=lambda word: OVERRIDE.fullmatch(word) is not None)
    arguments = _parse(ordered, command)
    made = register_claim(make=_trains(arguments))
    own = arguments.config_name is None and arguments.config_path is None
    if own and _trains(arguments) and not _sweeps(arguments):
        with loading():
            check(compose(command, _with_searchpath(arguments)))
        _check_run_dir(arguments, command)
    failures: list[Exception] = []

    def task(config: Any) -> float | None:
        try:
            return _train(config, arguments, made, command)
        except Exception as error:
            if _sweeps(arguments):  # the sweep has to know that this job failed
                raise
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


def _train(config: Any, arguments: Namespace, made: set[Path], command: str) -> float | None:
    """One run in the directory that Hydra gave; the metric that a sweep may optimise.

    ``made`` are the directories of runs and sweeps that genlab made for itself.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import read_write

    from genlab.config import check, complete

    hydra_config: Any = HydraConfig.get()
    complete(config, command, hydra_config.runtime.choices, hydra_config.overrides.task)
    check(config)
    # Data-parallel training starts the same command again, in the directory of this run.
    sys.argv = [sys.argv[0], command, *_config_flags(arguments), *hydra_config.overrides.task]
    with read_write(hydra_config):
        hydra_config.run.dir = hydra_config.runtime.output_dir

    path = Path(hydra_config.runtime.output_dir)
    run = RunDirectory.create(path) if is_first() else RunDirectory(path)
    try:
        with separate():
            metrics = fit(config, run)
    except BaseException:
        # What ended before it started leaves nothing, but a user's own folder stays.
        ours = not made.isdisjoint({path.resolve(), path.parent.resolve()})
        if ours and is_first() and not run.manifest.exists():
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
    return arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides


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
