"""``status.json``: how a run stands, and whether its process is still there."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json

__all__ = [
    "State",
    "effective_state",
    "identity",
    "is_gone",
    "read_status",
    "refuse_running",
    "release",
    "write_status",
]

State = Literal["running", "done", "failed", "interrupted", "pruned"]


def write_status(
    run: RunDirectory, state: State, *, error: str | None = None, step: int | None = None
) -> None:
    """Write ``status.json``; a run that was resumed keeps the time of its first start.

    Args:
        run: The run.
        state: running, done, failed, interrupted, or pruned: a trial of a search that fell behind.
        error: Why a run failed or was pruned, in the words that the user saw.
        step: Training step that was reached; the one written before if None.
    """
    before = read_status(run) if run.status.exists() else {}
    now = datetime.now(UTC).isoformat()
    write_json(
        run.status,
        {
            "state": state,
            "started": before.get("started", now),
            "updated": now,
            "ended": None if state == "running" else now,
            "step": before.get("step") if step is None else step,
            "error": error,
            **identity(),
        },
    )


def read_status(run: RunDirectory) -> dict[str, Any]:
    """Read ``status.json``.

    Raises:
        UserError: It is missing or torn.
    """
    status = read_json(run.status)
    if status.get("state") not in get_args(State):
        raise UserError(
            f"{run.status}: expected a state of {', '.join(get_args(State))}, "
            f"got {status.get('state')!r}"
        )
    return status


def effective_state(run: RunDirectory) -> str:
    """The state, or ``killed`` where a run says it is running but its process on this host is gone.

    Raises:
        UserError: As in `read_status`.
    """
    status = read_status(run)
    if status["state"] == "running" and is_gone(status):
        return "killed"
    return str(status["state"])


def refuse_running(run: RunDirectory) -> None:
    """Leave a run alone that another process is at.

    Raises:
        UserError: The run says that it is running, and nothing tells that it is not.
    """
    if run.status.exists() and effective_state(run) == "running":
        status = read_status(run)
        raise UserError(
            f"{run.path}: still running (process {status['pid']} on {status['host']})\n"
            f"If it is not: genlab resume --force {run.typed}"
        )


def release(run: RunDirectory) -> None:
    """Let others go on with a run whose process is known to be gone, also on another machine."""
    if run.status.exists() and read_status(run)["state"] == "running":
        write_status(run, "interrupted")


def identity() -> dict[str, Any]:
    """What this process is known by, also after its end: host, number and start.

    In a job of Slurm also the job, and how often that was put back into the queue.
    """
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "pid": pid,
        "process": _process(pid),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "slurm_restarts": _restarts(),
    }


def is_gone(process: Mapping[str, Any]) -> bool:
    """Whether a process that is known by its `identity` has ended.

    Of another host that is known only where the same job of Slurm has been started again since.
    """
    job = process.get("slurm_job")
    ours = job is not None and job == os.environ.get("SLURM_JOB_ID")
    if ours and process["slurm_restarts"] < _restarts():
        return True
    if process.get("host") != socket.gethostname():
        return False
    pid = int(process["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(_process(pid) != process["process"])


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", 0))


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
