"""genlab as an application of Hydra: its flags, what shows, its jobs and its launchers."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from genlab.cli.hydra_patches import (
    as_program,
    logging_as_it_was,
    prefer_own_launchers,
    suggestions_filled,
    written_whole,
)
from genlab.cli.options import listing
from genlab.config import config_dir
from genlab.errors import UserError, nearest
from genlab.runs.directory import dated
from genlab.runs.files import make_folder

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = [
    "application",
    "callbacks_of_sweep",
    "file_wants_several",
    "is_multirun",
    "launcher",
    "overrides",
    "parse",
    "run_as_job",
    "set_folder",
    "show",
]

# A folder of genlab's own naming, as configs/hydra/output says it.
OWN = "${genlab.dated:"
LAUNCHER = ("hydra/launcher", "hydra.launcher")


def parse(words: Sequence[str], command: str) -> Namespace:
    """The flags and the overrides of a command line.

    Args:
        words: What follows the command.
        command: Its name, for errors.

    Raises:
        UserError: A flag is unknown, which names the nearest, or does not go with another.
    """
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (-\S+)", message)
        name = unknown[1].lstrip("-").partition("=")[0] if unknown else ""
        if name and (config_dir() / name).is_dir():
            raise UserError(f"{command}: {message}; a choice has no dashes: {name}=OPTION")
        options = [option for action in parser._actions for option in action.option_strings]
        hint = nearest(unknown[1], options) if unknown else f"see `genlab {command} --help`"
        raise UserError(f"{command}: {message}; {hint}")

    parser.error = refuse  # type: ignore[method-assign]
    arguments = parser.parse_args(list(words))
    if arguments.experimental_rerun is not None:
        refuse("--experimental-rerun would write into the old run")
    if arguments.config_name is not None or arguments.config_path is not None:
        refuse("--config-name and --config-path would replace what genlab reads; use --config-dir")
    asked = (arguments.run, arguments.multirun, arguments.cfg, arguments.info)
    if sum(map(bool, (*asked, arguments.shell_completion))) > 1:
        refuse("-m, --run, --cfg, --info and --shell-completion exclude each other")
    if arguments.resolve and not (arguments.cfg or arguments.help):
        refuse("--resolve goes with --cfg")
    return arguments


def overrides(arguments: Namespace) -> list[str]:
    """The overrides of a command line, the folder of ``--config-dir`` as one of them.

    Raises:
        UserError: There is no such folder.
    """
    if arguments.config_dir is None:
        return list(arguments.overrides)
    folder = Path(arguments.config_dir).absolute()
    if not folder.is_dir():
        raise UserError(f"--config-dir {folder}: no such folder")
    return [*arguments.overrides, f"hydra.searchpath=['file://{folder}']"]


def is_multirun(config: DictConfig) -> bool:
    """Whether a word, or a file that is chosen, says ``hydra.mode: MULTIRUN``."""
    from hydra.types import RunMode

    return config.hydra.mode is RunMode.MULTIRUN


def file_wants_several(command: str, words: Sequence[str]) -> bool:
    """Whether words are for several runs, and a file says ``hydra.mode: MULTIRUN`` for them.

    Such a word holds several values, or tells of what launches the runs.

    Raises:
        UserError: One of the words is wrong.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.types import RunMode

    from genlab.config.explain import explained

    with explained(command, words):
        parsed = OverridesParser.create().parse_overrides(list(words))
        if not any(
            override.is_sweep_override() or override.key_or_group.startswith(LAUNCHER)
            for override in parsed
        ):
            return False
        with application(command) as hydra:
            return is_multirun(hydra.compose_config(command, list(words), RunMode.MULTIRUN))


def show(arguments: Namespace, words: Sequence[str], command: str) -> int:
    """What ``--cfg``, ``--info``, ``--help`` and completion show: Hydra's own main function.

    Args:
        arguments: The flags.
        words: The whole command line.
        command: Name of the primary config.

    Raises:
        UserError: The configuration has a mistake.
    """
    import hydra
    from omegaconf import OmegaConf

    from genlab.config.explain import explained
    from genlab.config.files import read_strictly
    from genlab.config.primary import VERSION_BASE, refuse_suggested

    read_strictly()
    refuse_suggested(command, arguments.overrides)
    folders = [config_dir(), *([Path(arguments.config_dir)] if arguments.config_dir else [])]
    OmegaConf.register_new_resolver("genlab.groups", partial(_groups, folders), replace=True)
    _register_dated()
    main = hydra.main(version_base=VERSION_BASE, config_path=str(config_dir()), config_name=command)
    with as_program(words), suggestions_filled(), explained(command, arguments.overrides):
        try:
            main(lambda _: None)()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def set_folder(config: DictConfig, mode: str) -> Path | None:
    """The folder that the user has set by ``hydra.run.dir`` or ``hydra.sweep.dir``.

    Args:
        config: As Hydra composed it.
        mode: ``run`` or ``sweep``.

    Returns:
        The folder; None where genlab is to name one.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    written: Any = OmegaConf.to_container(config.hydra[mode], resolve=False)
    if written["dir"].startswith(OWN):
        return None
    hydra = HydraConfig.instance()
    before = hydra.cfg
    hydra.set_config(config)
    try:
        return Path(config.hydra[mode].dir)
    finally:
        hydra.cfg = before
        OmegaConf.set_readonly(config.hydra, None)


def run_as_job(config: DictConfig, folder: Path | None, task: Callable[[Any], Any]) -> None:
    """Run a task as Hydra runs a job: ``.hydra/``, logging, ``hydra.job`` and ``hydra.callbacks``.

    Args:
        config: As Hydra composed it.
        folder: The folder of the run; None for one that leaves nothing.
        task: Takes the configuration as Hydra hands it over.

    Raises:
        UserError: The folder cannot be made.
        Exception: What the task raises.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.utils import JobStatus, run_job
    from hydra.types import HydraContext, RunMode
    from omegaconf import read_write

    from genlab.config.explain import explained

    if folder is not None:
        make_folder(folder)
    with read_write(config):
        config.hydra.mode = RunMode.RUN
        config.hydra.run.dir = str(folder or Path.cwd())
        if folder is None:
            config.hydra.output_subdir = None
    with explained(config.command, ()):
        callbacks = Callbacks(config)
    name = config.hydra.job.config_name
    with application(config.command) as hydra:
        callbacks.on_run_start(config=config, config_name=name)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=callbacks)
        done = run_job(task, config, "hydra.run.dir", None, context)
        callbacks.on_run_end(config=config, config_name=name, job_return=done)
    if done.status is JobStatus.FAILED:
        # Its property would print a line of Hydra's own.
        raise done._return_value


def _register_dated() -> None:
    """Let Hydra's node name the folders that genlab would make, for whoever reads it."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("genlab.dated", _dated, replace=True)


@contextmanager
def application(command: str) -> Iterator[Hydra]:
    """Hydra over the folder of the configs, as its own main function sets it up."""
    from hydra import version
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra

    from genlab.config.files import read_strictly
    from genlab.config.primary import VERSION_BASE

    version.setbase(VERSION_BASE)
    read_strictly()
    _register_dated()
    prefer_own_launchers(config_dir() / "hydra" / "launcher")
    GlobalHydra.instance().clear()
    try:
        with logging_as_it_was(), written_whole():
            yield Hydra.create_main_hydra2(
                task_name=command,
                config_search_path=create_config_search_path(str(config_dir())),
            )
    finally:
        GlobalHydra.instance().clear()


@contextmanager
def callbacks_of_sweep(config: DictConfig) -> Iterator[None]:
    """Tell ``hydra.callbacks`` when a sweep begins, and when it is over.

    Args:
        config: As Hydra composed it for the sweep.
    """
    from hydra._internal.callbacks import Callbacks

    callbacks, name = Callbacks(config), config.hydra.job.config_name
    callbacks.on_multirun_start(config=config, config_name=name)
    try:
        yield
    finally:
        callbacks.on_multirun_end(config=config, config_name=name)


def launcher(hydra: Hydra, config: Any, task: Callable[[Any], object]) -> Any:
    """The launcher that a configuration chooses, as the plugin that it is.

    Args:
        hydra: The application.
        config: As Hydra composed it for a sweep.
        task: What each job runs.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext

    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    return Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=task, config=config
    )


def _groups(folders: Sequence[Path], command: str) -> str:
    """The text of ``--help`` names the choices by ``${genlab.groups:COMMAND}``."""
    from genlab.config.primary import own_groups

    return listing(folders, {*own_groups(command), "sweep"})


def _dated(outputs: str, kind: str, *, _root_: DictConfig) -> str:
    """What a run or a sweep would be called if it began now."""
    from genlab.config.prune import learns_no_model
    from genlab.config.stored import names

    choices = dict(_root_.hydra.runtime.choices)
    if learns_no_model(_root_):
        choices["model"] = None
    called = names(choices) if kind == "run" else (kind,)
    return str(dated(outputs, *called).absolute())
