"""The directory of a sweep: its jobs, and how each of them stands, whichever process runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.status import identity, is_gone

__all__ = ["Job", "JobState", "SweepDirectory"]


@dataclass(frozen=True)
class Job:
    """One run of a sweep, planned.

    Attributes:
        number: Its number, which names its directory.
        name: What tells it from the others, as on the command line.
        overrides: Its own command line.
        done_in: Directory of a finished run of the same configuration, for a job that is left out.
    """

    number: int
    name: str
    overrides: tuple[str, ...]
    done_in: str | None = None


@dataclass(frozen=True)
class JobState:
    """How a job stands.

    Attributes:
        job: The job.
        run: Where its run is.
        state: waiting, running, done, failed, interrupted, killed, or skipped.
        error: Why it failed.
        seconds: How long it took, or has been running.
    """

    job: Job
    run: RunDirectory
    state: str
    error: str | None = None
    seconds: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self.state not in ("waiting", "running")

    @property
    def good(self) -> bool:
        """Whether there is a finished run."""
        return self.state in ("done", "skipped")


@dataclass(frozen=True)
class SweepDirectory:
    """The layout of a sweep's directory; the jobs write, the process that launched them reads.

    Attributes:
        path: The directory.
    """

    path: Path

    def plan(self, jobs: Sequence[Job]) -> None:
        """Write down the jobs, before the first one starts."""
        self._states.mkdir(parents=True, exist_ok=True)
        write_json(self.path / "sweep.json", {"jobs": [vars(job) for job in jobs]})

    def jobs(self) -> list[Job]:
        """The jobs as they were planned.

        Raises:
            UserError: This is no sweep.
        """
        planned = read_json(self.path / "sweep.json")["jobs"]
        return [Job(**{**job, "overrides": tuple(job["overrides"])}) for job in planned]

    def run(self, number: int) -> RunDirectory:
        """The run of a job."""
        return RunDirectory(self.path / str(number))

    def begin(self, number: int) -> bool:
        """Note that a job runs, in this process; whether it did so before."""
        again = self._state(number).exists()
        write_json(self._state(number), {"state": "running", "started": _now(), **identity()})
        return again

    def end(self, number: int, state: str, error: str | None = None) -> None:
        """Note how a job ended."""
        noted = read_json(self._state(number))
        write_json(self._state(number), {**noted, "state": state, "error": error, "ended": _now()})

    def retry(self, number: int) -> None:
        """Let a job that was lost wait for another try."""
        write_json(self._state(number), {"state": "waiting"})

    def stop(self) -> None:
        """Ask the jobs that have not begun to leave it at that."""
        (self._states / "stop").touch()

    @property
    def stopped(self) -> bool:
        """Whether jobs that have not begun are to leave it at that."""
        return (self._states / "stop").exists()

    def read(self, jobs: Sequence[Job], *, over: bool = False) -> list[JobState]:
        """How each job stands.

        Args:
            jobs: The jobs.
            over: Nothing runs any more: what says so was killed, also on another machine.
        """
        return [self._read(job, over=over) for job in jobs]

    def _read(self, job: Job, *, over: bool) -> JobState:
        if job.done_in is not None:
            return JobState(job, RunDirectory(Path(job.done_in)), "skipped")
        run, file = self.run(job.number), self._state(job.number)
        if not file.exists():
            return JobState(job, run, "waiting")
        noted = read_json(file)
        if noted["state"] == "waiting":
            return JobState(job, run, "waiting")
        dead = noted["state"] == "running" and (over or is_gone(noted))
        return JobState(
            job, run, "killed" if dead else noted["state"], noted.get("error"), _seconds(noted)
        )

    @property
    def _states(self) -> Path:
        return self.path / "jobs"

    def _state(self, number: int) -> Path:
        return self._states / f"{number}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _seconds(noted: Mapping[str, Any]) -> float:
    ended = datetime.fromisoformat(noted["ended"]) if "ended" in noted else datetime.now(UTC)
    return (ended - datetime.fromisoformat(noted["started"])).total_seconds()
