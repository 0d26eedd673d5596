"""Hydra's own flags, as ``genlab train`` and ``genlab solve`` take them."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

from genlab.config import config_dir
from genlab.errors import UserError, nearest

__all__ = ["config_flags", "parse"]


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
