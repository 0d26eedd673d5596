"""Arguments of a subcommand: argparse, with errors that name the nearest option."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from genlab.cli.commands import COMMANDS
from genlab.errors import UserError, nearest

__all__ = ["Parser", "check_output", "positive", "seed"]


class Parser(ArgumentParser):
    """The parser of one subcommand.

    Args:
        command: Name of the subcommand.
        examples: Shown below the options.
    """

    def __init__(self, command: str, examples: str) -> None:
        super().__init__(
            prog=f"genlab {command}",
            description=f"{COMMANDS[command]}.",
            epilog=f"examples:\n{examples}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_run(self) -> None:
        """The run that the subcommand works on."""
        self.add_argument("run", metavar="RUN", help="a path, a run's name, or `latest`")

    def add_where(self) -> None:
        """Conditions that runs are chosen by."""
        self.add_argument(
            "--where",
            action="append",
            default=[],
            metavar="KEY=VALUE[,VALUE]",
            help="only runs of this setting, state or tag; may be repeated",
        )

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog.removeprefix('genlab ')}: {message}; see `{self.prog} --help`")

    def parse(self, words: Sequence[str]) -> Namespace:
        """Parse ``words``.

        Raises:
            UserError: A word is unknown, missing, or of the wrong type.
        """
        # Options may stand between the words of a list, too.
        parsed, unknown = self.parse_known_intermixed_args(list(words))
        if unknown:
            options = [option for action in self._actions for option in action.option_strings]
            hint = f"; {nearest(unknown[0], options)}" if unknown[0].startswith("-") else ""
            self.error(f"unexpected {unknown[0]!r}{hint}")
        return parsed


def positive(text: str) -> int:
    """The type of an option that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """The type of an option that seeds a generator; 0 counts."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise ArgumentTypeError(f"expected a whole number from 0 to 2^63 - 1, got {text!r}")
    return int(text)


def check_output(path: Path, suffixes: Sequence[str], *, option: str = "-o") -> None:
    """Refuse, before any work is done, an output file that could not be written.

    Raises:
        UserError: The suffix is none of ``suffixes``, or the folder is missing or not writable.
    """
    if path.suffix not in suffixes:
        raise UserError(f"{option} {path}: expected a file that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{option} {path}: the folder {path.parent} cannot be written")
