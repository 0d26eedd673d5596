"""Launching the jobs of a sweep: here, in several processes or on a cluster, by Hydra."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

from genlab.errors import UserError
from genlab.runs.sweep import Job, JobState, SweepDirectory

__all__ = ["check_launcher", "cores", "launch"]

EXTRAS = {
    "hydra_joblib_launcher": "parallel",
    "hydra_submitit_launcher": "slurm",
    "hydra_ray_launcher": "ray",
}
# Ray goes on with the other jobs after it has lost one; so long it may take to start the next.
PATIENCE = 20.0
EVERY = 0.2
TRIES = 2


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_launcher(config: Any, threads: int) -> None:
    """Refuse a launcher that is not installed; bound the jobs at once to the cores.

    Args:
        config: Hydra's configuration of the sweep; changed in place.
        threads: How many threads a job computes with, at most.

    Raises:
        UserError: Its extra is not installed.
    """
    launcher = config.hydra.launcher
    plugin = _plugin(config)
    if plugin in EXTRAS and find_spec(f"hydra_plugins.{plugin}") is None:
        name = config.hydra.runtime.choices["hydra/launcher"]
        raise UserError(
            f"hydra/launcher={name}: not installed; pip install 'genlab[{EXTRAS[plugin]}]'"
        )
    if plugin == "hydra_joblib_launcher":
        most = max(1, cores() // threads)
        launcher.n_jobs = most if launcher.n_jobs < 0 else min(launcher.n_jobs, most)


def launch(
    config: Any,
    make: Callable[[], Any],
    sweep: SweepDirectory,
    jobs: Sequence[Job],
    say: Callable[[str], None],
) -> None:
    """Run jobs; how each of them ended stands in the directory of the sweep.

    Args:
        config: Hydra's configuration of the sweep.
        make: Makes a launcher of Hydra.
        sweep: The directory.
        jobs: What to run.
        say: Tells the user a line.
    """
    if _plugin(config) == "hydra_submitit_launcher":
        _launch_each(make, sweep, jobs, at_once=_submitted_at_once(config))
    else:
        _launch_together(make, sweep, jobs, say)


def _launch_each(
    make: Callable[[], Any], sweep: SweepDirectory, jobs: Sequence[Job], *, at_once: int
) -> None:
    """Each job by itself: submitit gives up on all of a batch when one of it is killed."""

    def launch_one(job: Job) -> None:
        from submitit.core.utils import UncompletedJobError

        try:
            make().launch([_words(job)], initial_job_idx=job.number)
        except UncompletedJobError:
            # One that had begun was killed, and the directory of the sweep says so.
            if sweep.read([job])[0].state == "waiting":
                raise

    with ThreadPoolExecutor(at_once) as threads:
        for launched in [threads.submit(launch_one, job) for job in jobs]:
            launched.result()


def _launch_together(
    make: Callable[[], Any], sweep: SweepDirectory, jobs: Sequence[Job], say: Callable[[str], None]
) -> None:
    """All jobs at once; again what was lost when the launcher itself broke down.

    When a worker of joblib is killed, the others are killed with it, and which one was the first
    cannot be told: so all of them are tried again, from their last checkpoints. A job that was
    alone is known to be the one.
    """
    waiting = list(jobs)
    for attempt in range(1, TRIES + 1):
        try:
            make().launch([_words(job) for job in waiting], initial_job_idx=0)
            return
        except Exception:
            states = _settled(sweep, waiting)
            killed = [state.job for state in states if state.state == "killed"]
            if not killed:
                raise
            lost = [state.job for state in states if not state.ended]
            lost += killed if len(killed) > 1 else []
            numbers = ", ".join(str(job.number) for job in killed)
            say(f"killed: {'job' if len(killed) == 1 else 'one of jobs'} {numbers}")
            if not lost or attempt == TRIES:
                return
            say(f"starting {len(lost)} jobs again that went down with the launcher")
            waiting = sorted(lost, key=lambda job: job.number)
            for job in waiting:
                sweep.retry(job.number)


def _settled(sweep: SweepDirectory, jobs: Sequence[Job]) -> list[JobState]:
    """How the jobs stand once none of them runs, and none has begun for a while."""
    since, before = time.monotonic(), -1
    while True:
        states = sweep.read(jobs)
        ended = sum(state.ended for state in states)
        running = any(state.state == "running" for state in states)
        if ended == len(jobs):
            return states
        if ended != before or running:
            since, before = time.monotonic(), ended
        if time.monotonic() - since > PATIENCE:
            return states
        time.sleep(EVERY)


def _words(job: Job) -> list[str]:
    # Hydra would number the jobs of each launch from the start.
    return [*job.overrides, f"hydra.sweep.subdir='{job.number}'"]


def _plugin(config: Any) -> str:
    """Name of the package that the launcher comes from."""
    return str(config.hydra.launcher._target_).split(".")[1]


def _submitted_at_once(config: Any) -> int:
    launcher = config.hydra.launcher
    if "array_parallelism" in launcher:
        return int(launcher.array_parallelism)
    return max(1, cores() // (launcher.cpus_per_task or 1))
