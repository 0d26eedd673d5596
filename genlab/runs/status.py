"""``status.json``: how a run stands, and whether its process is still there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from genlab.errors import RunError, UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.find import find_runs
from genlab.runs.holder import identity, is_gone, is_ours, silence

__all__ = [
    "State",
    "effective_state",
    "is_left",
    "is_taken",
    "read_status",
    "refuse_running",
    "refuse_taken",
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
    """The state, or ``killed`` where a run says it is running but its process is gone.

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
        silent = silence(status)
        heard = "" if silent is None else f", heard of {silent:.0f} s ago"
        raise UserError(
            f"{run.path}: still running ({_named(status)}{heard})\n"
            f"If it is not: genlab resume --force {run.typed}"
        )


def is_taken(run: RunDirectory) -> bool:
    """Whether another process has gone on with a run of this one, as where this one stood still."""
    return run.status.exists() and not is_ours(read_status(run))


def refuse_taken(run: RunDirectory) -> None:
    """Leave a run to the process that `is_taken` by.

    Raises:
        RunError: There is one.
    """
    if is_taken(run):
        raise RunError(
            f"{run.path}: {_named(read_status(run))} has taken it over; this one leaves it as it is"
        )


def release(run: RunDirectory) -> None:
    """Let others go on with a run whose process is known to be gone, also on another machine."""
    if run.status.exists() and read_status(run)["state"] == "running":
        write_status(run, "interrupted")


def is_left(process: Mapping[str, Any], folder: Path) -> bool:
    """Whether others can go on with what a process, known by its `identity`, began in a folder.

    It is gone, and nobody is at a run there.
    """
    return is_gone(process) and not any(
        run.status.exists() and effective_state(run) == "running" for run in find_runs(folder)
    )


def _named(status: Mapping[str, Any]) -> str:
    return f"process {status['pid']} on {status['host']}"
