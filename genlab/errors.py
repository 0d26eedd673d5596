"""Errors that a user reads: what was wrong, what was expected, and the nearest valid choice."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = [
    "ArgumentError",
    "GenlabError",
    "Interrupted",
    "PrunedError",
    "RunError",
    "UnusedError",
    "UserError",
    "first_few",
    "nearest",
    "no_such_file",
    "one_line",
    "plural",
]

FEW, MOST = 8, 50


class GenlabError(Exception):
    """Base of every error that the command line prints as one or two lines, without a traceback."""

    exit_status: int = 1


class UserError(GenlabError):
    """The user's mistake: an unknown name, a wrong type, a file that is missing."""

    exit_status = 2


class ArgumentError(UserError, ValueError):
    """An argument of a constructor that is of another kind than it takes, or out of bounds."""


class UnusedError(UserError):
    """A word that is right in itself, but that nothing in this configuration has a use for.

    Attributes:
        word: What the user wrote.
    """

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(f"{word}: nothing uses it; {reason}")
        self.word = word


class RunError(GenlabError):
    """A run that failed on the way: a diverging loss, a full disk, a damaged checkpoint."""


class PrunedError(RunError):
    """A trial of a search that was stopped because others were better at the same step."""


class Interrupted(BaseException):
    """The run was asked to stop from outside.

    Not an ``Exception``: like ``KeyboardInterrupt``, nothing on the way should swallow it.

    Attributes:
        signal: The signal that asked for it.
        helps: Whether the process only helps another one, which sees to what follows.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number
        self.helps = False

    @property
    def exit_status(self) -> int:
        """The shell's convention, 128 plus the signal's number: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal


def first_few(words: Sequence[str], few: int = FEW) -> str:
    """The first of many words.

    >>> first_few(list("abcdefghij"))
    'a, b, c, d, e, f, g, h, ...'
    """
    return ", ".join([*words[:few], *(["..."] if len(words) > few else [])])


def plural(word: str, n: int) -> str:
    """A word for n things.

    >>> plural("field", 1), plural("field", 2)
    ('field', 'fields')
    """
    return word if n == 1 else f"{word}s"


def nearest(word: str, choices: Iterable[str]) -> str:
    """A hint that names the choice nearest to ``word``, or all where none is near; not too many.

    >>> nearest("moon", ["moons", "rings"])
    "did you mean 'moons'?"
    >>> nearest("vx", ["Vx", "Vy"])
    "did you mean 'Vx'?"
    >>> nearest("xyz", ["moons", "rings"])
    'choose from: moons, rings'
    """
    choices = sorted(set(choices))
    close = [choice for choice in choices if choice.casefold() == word.casefold()]
    close = close or difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    rest = [f"... ({len(choices)} in all)"] if len(choices) > MOST else []
    return f"choose from: {', '.join([*choices[:MOST], *rest])}"


def no_such_file(path: Path, suffixes: Iterable[str]) -> str:
    """What to say of a file that is not there: which of the same kind, beside it, may be meant.

    >>> no_such_file(Path("/nowhere/at/all.csv"), [".csv"])
    'no such file'

    Args:
        path: Where it was looked for.
        suffixes: Of the files that would do, such as ``.csv``.
    """
    kinds = set(suffixes)
    names = [other.name for other in path.parent.glob("*") if other.suffix.lower() in kinds]
    return f"no such file; {nearest(path.name, names)}" if names else "no such file"


def one_line(error: object) -> str:
    """The lines of an error in one, for a table or a log.

    >>> one_line(RunError("the loss is NaN\\ntry a smaller optimizer.lr"))
    'the loss is NaN; try a smaller optimizer.lr'
    """
    return str(error).replace("\n", "; ")
