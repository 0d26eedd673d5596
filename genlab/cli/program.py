"""The console program: `main`, and an end that does not wait for Python to take itself apart."""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import logging
import os
import sys
from contextlib import suppress

from genlab.cli.main import main

__all__ = ["MEMORY", "program"]

MEMORY = {"TRIM_THRESHOLD": (-1, 2**28), "MMAP_THRESHOLD": (-3, 2**25)}
"""Numbers and values of glibc's options: how much may be free at the end of the heap, and from
which size on memory is none of it."""

FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def program() -> int:
    """Run `main`, and let the process end as soon as nothing of it is left to do.

    Python would free what torch, Lightning and matplotlib have made one by one, for a second or
    two. What it does before that stays: threads and children are waited for, and whatever was
    registered to run at the end runs. Who calls `main`, as a script or a test, goes on behind it.

    Returns:
        The exit status, as `main`'s.
    """
    _keep_freed()
    end = _End()
    # First in, last out: what is registered from here on runs before.
    atexit.register(end)
    end.status = main()
    return end.status


def _keep_freed() -> None:
    """Have glibc keep what is freed, and not give it back to the system.

    Steps and log-densities take the same memory again and again, and each page that comes back from
    the system costs a fault: up to half of the time.
    """
    if os.name != "posix" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return
    for option, value in MEMORY.values():
        libc.mallopt(option, value)


class _End:
    """Ends the process that made it, once its status is known.

    Attributes:
        status: What the process is to exit with; None leaves that to Python.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self._process = os.getpid()

    def __call__(self) -> None:
        if self.status is None or os.getpid() != self._process or _is_watched():
            return
        logging.shutdown()
        try:
            _flush_all()
        except OSError:
            return  # Python itself tells what could not be written
        os._exit(self.status)


def _is_watched() -> bool:
    """Whether a debugger, a profiler or a measure of coverage looks on until Python's own end."""
    watched = sys.gettrace() is not None or sys.getprofile() is not None
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None:
        watched = watched or any(monitoring.get_tool(tool) is not None for tool in range(6))
    return watched or bool(sys.flags.inspect) or sys.flags.interactive > 0


def _flush_all() -> None:
    """Write what files still hold, those of the console and those that nobody has closed.

    Raises:
        OSError: One of them takes no more.
    """
    gc.unfreeze()  # what was set aside is among them
    for held in gc.get_objects():
        # The type tells without asking the object, which may be a stand-in for something.
        if issubclass(type(held), FILES):
            with suppress(ValueError):  # it is closed
                held.flush()
