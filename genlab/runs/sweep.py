"""The directory of a sweep: its jobs, and how each of them stands, whichever process runs it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from genlab.runs.directory import RunDirectory
from genlab.runs.files import create_json, make_folder, read_json, write_json
from genlab.runs.find import find_runs
from genlab.runs.holder import beating, identity, is_ours
from genlab.runs.manifest import read_manifest
from genlab.runs.requeued import begun_folders
from genlab.runs.status import is_left, release

__all__ = ["Job", "JobState", "SweepDirectory"]


@dataclass(frozen=True)
class Job:
    """One run of a sweep, planned.

    Attributes:
        number: Its number, which names its directory.
        name: What tells it from the others, as on the command line.
        overrides: Its own command line.
        config_hash: Hash of its configuration; None in a plan that an older version has written.
        tries: Attempts at it that had ended before its sweep began.
        done_in: Directory of a finished run of the same configuration, for a job that is left out.
    """

    number: int
    name: str
    overrides: tuple[str, ...]
    config_hash: str | None = None
    tries: int = 0
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
        sweep: Which of the sweeps in the directory has begun it.
        host: Where.
        here: Whether it was in this process.
    """

    job: Job
    run: RunDirectory
    state: str
    error: str | None = None
    seconds: float | None = None
    sweep: int | None = None
    host: str | None = None
    here: bool = False

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
    """The layout of a directory of sweeps; the jobs write, the process that launched them reads.

    A number belongs to one configuration for good, whichever sweep asks for it. So a sweep that is
    started again goes on with its own jobs, another one in the same directory has numbers behind
    them, and of two that run at once each takes what the other is not at.

    Attributes:
        path: The directory.
        sweep: Which of the sweeps in it this is, counted from 1.
    """

    path: Path
    sweep: int = 1

    @classmethod
    def enter(cls, path: Path, jobs: Sequence[Job]) -> tuple[SweepDirectory, list[Job]]:
        """Write down a sweep, before its first job starts, behind those that the directory holds.

        A plan is made by exclusive creation: of sweeps that start in the same instant, each sees
        the plans of those before it.

        Args:
            path: The directory.
            jobs: What is to be run; the numbers are given here.

        Returns:
            The directory as this sweep sees it, and the jobs by their numbers in it.

        Raises:
            UserError: The directory cannot be made.
            RunError: It cannot be written.
        """
        for number in count(1):
            sweep = cls(path, number)
            if sweep.plan.exists():
                continue
            make_folder(sweep._states)
            numbered = sweep.numbered(jobs)
            plan = {"jobs": [vars(job) for job in numbered], "begun_by": identity()}
            if create_json(sweep.plan, plan):
                return sweep, numbered
        raise AssertionError("unreachable: the count is endless")

    @classmethod
    def begun(cls, outputs: Path, jobs: Sequence[Job]) -> Path | None:
        """Where this job of Slurm began the same sweep before it was put back into the queue."""
        hashes = {job.config_hash for job in jobs}
        for folder, plan in begun_folders(outputs, cls(Path()).plan.name):
            if {job["config_hash"] for job in plan["jobs"]} == hashes:
                return folder.absolute()
        return None

    def numbered(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs with the numbers that they have in the directory, new ones behind the others."""
        known = self._known()
        places: defaultdict[str | None, list[int]] = defaultdict(list)
        for number, name in sorted(known.items()):
            places[name].append(number)
        new = count(max(known, default=-1) + 1)
        numbers = [
            places[job.config_hash].pop(0) if places[job.config_hash] else next(new) for job in jobs
        ]
        return [
            replace(job, number=number, tries=self._tries(number))
            for job, number in zip(jobs, numbers, strict=True)
        ]

    def jobs(self) -> list[Job]:
        """The jobs of all sweeps, as they were planned.

        Raises:
            UserError: A plan cannot be read.
        """
        planned = {}
        for number in count(1):
            plan = SweepDirectory(self.path, number).plan
            if not plan.exists():
                break
            for job in read_json(plan)["jobs"]:
                planned[job["number"]] = Job(**{**job, "overrides": tuple(job["overrides"])})
        return list(planned.values())

    @property
    def plan(self) -> Path:
        """What is to be run, and which process began it."""
        return self.path / f"{_counted('sweep', self.sweep)}.json"

    @property
    def multirun(self) -> Path:
        """The configuration that the sweep was launched with."""
        return self.path / f"{_counted('multirun', self.sweep)}.yaml"

    def run(self, number: int) -> RunDirectory:
        """The run of a job."""
        return RunDirectory(self.path / str(number))

    def begin(self, number: int) -> bool:
        """Note that a job runs, in this process.

        Each attempt is a file of its own, made by exclusive creation where the one before it has
        ended: of any number of processes one begins, also on other machines.

        Returns:
            Whether it is this process that runs it; False where another one is at it.
        """
        last = self._last(number)
        if last > self._tries(number):
            return False
        noted = {"state": "running", "sweep": self.sweep, "started": _now(), **identity()}
        return create_json(self._state(number, last + 1), noted)

    @contextmanager
    def at_work(self, number: int) -> Iterator[None]:
        """Keep a job that has begun in this process alive for those that look at it."""
        with beating(self._state(number, self._last(number))):
            yield

    def end(self, number: int, state: str, error: str | None = None) -> None:
        """Note how a job ended that was begun here, unless another process is at it by now."""
        if is_ours(read_json(self._state(number, self._last(number)))):
            self._note(number, state=state, error=error, ended=_now())

    def retry(self, number: int) -> None:
        """Let a job that was lost wait for another try."""
        self._note(number, state="waiting")

    def settle(self, jobs: Sequence[Job]) -> None:
        """Note that nothing of this sweep runs any more: what says so was killed, wherever it was.

        Another process may then go on with it.
        """
        for state in self.read(jobs):
            if state.state == "running" and state.sweep == self.sweep:
                self._lose(state)

    def take_over(self) -> None:
        """Note that nothing runs any more that says so on other machines, of whichever sweep."""
        here = identity()["host"]
        for state in self.read(self.jobs()):
            if state.state == "running" and state.host != here:
                self._lose(state)

    def stop(self) -> None:
        """Ask the jobs of this sweep that have not begun to leave it at that."""
        self._stop.touch()

    @property
    def stopped(self) -> bool:
        """Whether jobs that have not begun are to leave it at that."""
        return self._stop.exists()

    def read(self, jobs: Sequence[Job]) -> list[JobState]:
        """How each job stands."""
        return [self._read(job) for job in jobs]

    def _read(self, job: Job) -> JobState:
        if job.done_in is not None:
            return JobState(job, RunDirectory(Path(job.done_in)), "skipped")
        run, last = self.run(job.number), self._last(job.number)
        if last <= job.tries:
            return JobState(job, run, "waiting")
        noted = read_json(self._state(job.number, last))
        if noted["state"] == "waiting":
            return JobState(job, run, "waiting")
        state = "killed" if self._is_lost(job.number, noted) else noted["state"]
        error, seconds = noted.get("error"), _seconds(noted)
        sweep, host = noted.get("sweep"), noted["host"]
        return JobState(job, run, state, error, seconds, sweep, host, is_ours(noted))

    def _lose(self, state: JobState) -> None:
        self._note(state.job.number, state="killed", ended=_now())
        for run in find_runs(state.run.path):
            release(run)

    def _known(self) -> dict[int, str | None]:
        """Numbers that are taken, with the hash of the configuration that they belong to."""
        known = {job.number: job.config_hash for job in self.jobs()}
        for folder in self.path.iterdir() if self.path.is_dir() else ():
            if folder.name.isdecimal():
                run = RunDirectory(folder)
                # A run may have been taken further since, by its own user.
                known.setdefault(int(folder.name), None)
                if run.manifest.exists():
                    known[int(folder.name)] = read_manifest(run).get("config_hash")
        return known

    def _last(self, number: int) -> int:
        """The number of the last attempt at a job; 0 if there was none."""
        return next(last for last in count() if not self._state(number, last + 1).exists())

    def _tries(self, number: int) -> int:
        """How many attempts at a job have ended."""
        last = self._last(number)
        noted = read_json(self._state(number, last)) if last else {"state": "waiting"}
        return last - (noted["state"] == "running" and not self._is_lost(number, noted))

    def _is_lost(self, number: int, noted: Mapping[str, Any]) -> bool:
        """Whether an attempt says that it runs, and does not."""
        return noted["state"] == "running" and is_left(noted, self.run(number).path)

    def _note(self, number: int, **changes: Any) -> None:
        path = self._state(number, self._last(number))
        write_json(path, {**read_json(path), **changes})

    @property
    def _states(self) -> Path:
        return self.path / "jobs"

    @property
    def _stop(self) -> Path:
        return self._states / _counted("stop", self.sweep)

    def _state(self, number: int, attempt: int) -> Path:
        return self._states / f"{_counted(str(number), attempt)}.json"


def _counted(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _seconds(noted: Mapping[str, Any]) -> float:
    ended = datetime.fromisoformat(noted["ended"]) if "ended" in noted else datetime.now(UTC)
    return (ended - datetime.fromisoformat(noted["started"])).total_seconds()
