"""genlab as an application of Hydra: its flags, its composition, its launchers."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from genlab.config import config_dir
from genlab.errors import UserError, nearest

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

__all__ = ["application", "config_flags", "launcher", "parse", "suggestions_filled"]


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
    asked = (arguments.run, arguments.multirun, arguments.cfg, arguments.info)
    if sum(map(bool, (*asked, arguments.shell_completion))) > 1:
        refuse("-m, --run, --cfg, --info and --shell-completion exclude each other")
    if arguments.resolve and not (arguments.cfg or arguments.help):
        refuse("--resolve goes with --cfg")
    return arguments


def config_flags(arguments: Namespace) -> list[str]:
    """Those that say where the configuration is, as another process is to be told them."""
    flags = {
        "--config-dir": arguments.config_dir,
        "--config-name": arguments.config_name,
        "--config-path": arguments.config_path,
    }
    return [word for flag, value in flags.items() if value is not None for word in (flag, value)]


@contextmanager
def application(arguments: Namespace, command: str) -> Iterator[Hydra]:
    """Hydra over the folder of the configs, as its own main function sets it up."""
    from hydra import version
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra

    from genlab.config.primary import VERSION_BASE

    version.setbase(VERSION_BASE)
    _prefer_own_launchers(config_dir() / "hydra" / "launcher")
    GlobalHydra.instance().clear()
    folder = arguments.config_path or str(config_dir())
    try:
        yield Hydra.create_main_hydra2(
            task_name=command, config_search_path=create_config_search_path(folder)
        )
    finally:
        GlobalHydra.instance().clear()


@contextmanager
def suggestions_filled() -> Iterator[None]:
    """Let ``--cfg`` of a Hydra application show what is suggested where a run has it."""
    from hydra._internal.hydra import Hydra

    from genlab.config.suggestions import fill_suggestions

    composed = Hydra.compose_config

    def compose_config(self: Hydra, *args: Any, **kwargs: Any) -> DictConfig:
        config = composed(self, *args, **kwargs)
        fill_suggestions(config)
        return config

    Hydra.compose_config = compose_config  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.compose_config = composed  # type: ignore[method-assign]


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


def _prefer_own_launchers(folder: Path) -> None:
    """Let the files of genlab describe the launchers, not those that come with the plugins.

    Hydra would match the ones with the others by their names, which it warns of as outdated.
    """
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # finds the plugins, which register their configurations
    registered = ConfigStore.instance().repo["hydra"]["launcher"]
    for path in folder.glob("*.yaml"):
        registered.pop(path.name, None)
