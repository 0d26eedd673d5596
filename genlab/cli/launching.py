"""Launching the jobs of a sweep: here, in several processes or on a cluster, by Hydra."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from genlab.cli.launchers import RAY, SUBMITIT, chosen, cores, plugin
from genlab.errors import GenlabError, RunError, one_line
from genlab.runs.sweep import Job, JobState, SweepDirectory

__all__ = ["launch"]

# Ray goes on with the other jobs after it has lost one; so long it may take to start the next.
PATIENCE = {RAY: 20.0}
# The others end what they have started.
IMPATIENCE = 1.0
EVERY = 0.2


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

    Raises:
        RunError: The launcher itself failed, as where a cluster refuses a job.
    """
    try:
        if plugin(config) == SUBMITIT:
            _launch_each(make, sweep, jobs, say, at_once=_submitted_at_once(config))
        else:
            patience = PATIENCE.get(plugin(config), IMPATIENCE)
            _launch_together(make, sweep, jobs, say, patience=patience)
    except GenlabError:
        raise
    except Exception as error:
        raise RunError(f"{chosen(config)}: {type(error).__name__}: {one_line(error)}") from error


def _launch_each(
    make: Callable[[], Any],
    sweep: SweepDirectory,
    jobs: Sequence[Job],
    say: Callable[[str], None],
    *,
    at_once: int,
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

    # Threads cannot be left: SIGTERM ends this process, and the jobs that run go on.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with ThreadPoolExecutor(at_once) as threads:
        launched = [threads.submit(launch_one, job) for job in jobs]
        try:
            for each in launched:
                each.result()
        except KeyboardInterrupt:
            # Neither of those in this queue nor of those in that of a cluster.
            sweep.stop()
            say("interrupted: no other job begins; waiting for those that run")
            threads.shutdown(cancel_futures=True)
            raise


def _launch_together(
    make: Callable[[], Any],
    sweep: SweepDirectory,
    jobs: Sequence[Job],
    say: Callable[[str], None],
    *,
    patience: float,
) -> None:
    """All jobs at once; again what was lost when the launcher itself broke down.

    When a worker of joblib is killed, the others are killed with it, and which one was the first
    cannot be told: so each of them is tried again by itself, from its last checkpoint, behind those
    that had not begun. A job that was killed alone is known to be the one.
    """
    batches = [list(jobs)]
    while batches:
        batch = batches.pop(0)
        try:
            make().launch([_words(job) for job in batch], initial_job_idx=0)
        except Exception:
            states = _settled(sweep, batch, patience)
            killed = [state.job for state in states if state.state == "killed"]
            if not killed:
                raise
            waiting = [state.job for state in states if not state.ended]
            suspects = killed if len(killed) > 1 else []
            numbers = ", ".join(str(job.number) for job in killed)
            say(f"killed: {'one of jobs' if suspects else 'job'} {numbers}")
            if left := len(waiting) + len(suspects):
                say(f"starting the launcher again, for {left} jobs")
            for job in suspects:
                sweep.retry(job.number)
            batches += [waiting] if waiting else []
            batches += [[job] for job in suspects]


def _settled(sweep: SweepDirectory, jobs: Sequence[Job], patience: float) -> list[JobState]:
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
        if time.monotonic() - since > patience:
            return states
        time.sleep(EVERY)


def _words(job: Job) -> list[str]:
    # Hydra would number the jobs of each launch from the start.
    return [*job.overrides, f"hydra.sweep.subdir='{job.number}'"]


def _submitted_at_once(config: Any) -> int:
    launcher = config.hydra.launcher
    if "array_parallelism" in launcher:
        return int(launcher.array_parallelism)
    return max(1, cores() // int(launcher.cpus_per_task))
