"""Who is at work: a process by its identity, the heartbeat it keeps, and whether it is gone."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from genlab import slurm
from genlab.errors import GenlabError, UserError
from genlab.runs.files import read_json, write_json

__all__ = ["beating", "identity", "is_gone", "is_of_this_job", "is_ours", "silence"]

# Seconds without a heartbeat after which a process of another machine counts as gone.
VARIABLE, ABANDONED_AFTER = "GENLAB_ABANDONED_AFTER", 600.0
# So many heartbeats may fail before.
BEATS = 20


def identity() -> dict[str, Any]:
    """What this process is known by, also after its end: host, number and start, and when it was.

    In a job of Slurm also the job, and how often that was put back into the queue.

    Raises:
        UserError: ``GENLAB_ABANDONED_AFTER`` is no number of seconds.
    """
    pid = os.getpid()
    return {
        "host": _host(),
        "pid": pid,
        "process": _process(pid),
        "slurm_job": slurm.job(),
        "slurm_restarts": slurm.restarts(),
        "slurm_task": os.environ.get("SLURM_PROCID"),
        "heartbeat": datetime.now(UTC).isoformat(),
        "abandoned_after": _abandoned_after(),
    }


def is_ours(noted: Mapping[str, Any]) -> bool:
    """Whether what was noted with an `identity` was noted by this process."""
    own = identity()
    return all(noted.get(key) == own[key] for key in ("host", "pid", "process"))


def is_of_this_job(process: Mapping[str, Any]) -> bool:
    """Whether a process that is known by its `identity` is of the same job of Slurm."""
    job = process.get("slurm_job")
    return job is not None and job == slurm.job()


def is_gone(process: Mapping[str, Any]) -> bool:
    """Whether a process that is known by its `identity` has ended.

    Of another machine that is known where the same job of Slurm has been started again since, and
    where its heartbeat is older than it said to be possible.
    """
    if is_of_this_job(process) and process["slurm_restarts"] < slurm.restarts():
        return True
    if process.get("host") != _host():
        silent = silence(process)
        return silent is not None and silent > process["abandoned_after"]
    pid = int(process["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(_process(pid) != process["process"])


def silence(process: Mapping[str, Any]) -> float | None:
    """Seconds since the last heartbeat; None where an older version of genlab has kept none."""
    if "heartbeat" not in process:
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(process["heartbeat"])).total_seconds()


@contextmanager
def beating(path: Path) -> Iterator[None]:
    """Keep the heartbeat in a JSON file true, as long as it holds the `identity` of this process.

    A thread writes it, also through a long step. The file must not be written by others inside.

    Args:
        path: The file.
    """
    over = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, over), daemon=True)
    heart.start()
    try:
        yield
    finally:
        over.set()
        heart.join()


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(_abandoned_after() / BEATS):
        # A disk that is full or away now may be there for the next one.
        with suppress(GenlabError, OSError):
            noted = read_json(path)
            if is_ours(noted):
                write_json(path, {**noted, "heartbeat": datetime.now(UTC).isoformat()})


def _abandoned_after() -> float:
    text = os.environ.get(VARIABLE)
    if text is None:
        return ABANDONED_AFTER
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"{VARIABLE}={text}: expected seconds, a number above 0")
    return seconds


@cache
def _host() -> str:
    """This machine by the name that it had first: another network may give it another one."""
    return socket.gethostname()


def _process(pid: int) -> str | None:
    """What tells a process from a later one of the same number: its start, in ticks since the boot.

    None for a process that ended but is still listed, and on systems without ``/proc``.
    """
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name, in parentheses, may hold spaces: count the fields behind it.
    fields = line.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
