"""The command ``genlab``: reads the first word, and imports that subcommand only."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType

from genlab import __version__
from genlab.cli.commands import COMMANDS, EXAMPLES
from genlab.errors import GenlabError, Interrupted, UserError, nearest
from genlab.runs.files import is_refused
from genlab.slurm import requeue, requeue_signal, wants_requeue

__all__ = ["main"]

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: The words behind ``genlab``; those of this process if None.

    Returns:
        The exit status: 0 well, 1 failed, 2 the user's mistake, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # A configuration may name the user's own classes, in files of the present folder.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        with _signals_raise():
            status = _dispatch(words)
        sys.stdout.flush()
    except GenlabError as error:
        return _complain(error, str(error), error.exit_status)
    except KeyboardInterrupt as error:
        return _complain(error, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has what it wants; what is left must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, OSError) and is_refused(error):
            place = f" at {error.filename}" if error.filename else ""
            return _complain(error, f"nothing more can be written{place}: {error.strerror}", 1)
        first_line = str(error).strip().partition("\n")[0]
        return _complain(error, f"{type(error).__name__}: {first_line}", 1)
    except Interrupted as stop:
        if wants_requeue(stop):
            stop.add_note(requeue())
        return _complain(stop, f"stopped by {stop}", stop.exit_status)
    return status


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and a cluster's signal unwind as Ctrl-C does, so that all is put in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    numbers = [number for number in (signal.SIGTERM, requeue_signal()) if number is not None]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"genlab {__version__}")
        return 0
    command, *rest = words
    if "=" in command:
        raise UserError(f"{command}: a setting, not a command; `genlab train {command}` takes it")
    if command not in COMMANDS:
        raise UserError(f"{command}: no such command; {nearest(command, COMMANDS)}")
    status: int = import_module(f"genlab.cli.commands.{command}").run(rest)
    return status


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items())
    return (
        "genlab trains generative models and compares them with the exact answer.\n\n"
        f"usage: genlab COMMAND ...\n\n{commands}\n\nexamples:\n{EXAMPLES}\n\n"
        "`genlab COMMAND --help` explains one command; RUN is a path, a run's name, or `latest`."
    )


def _complain(error: BaseException, message: str, status: int) -> int:
    """Print an error and its notes, such as where the log is; the traceback only if asked for."""
    for line in (f"genlab: {message}", *getattr(error, "__notes__", ())):
        print(line, file=sys.stderr)
    if os.environ.get("GENLAB_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    return status
