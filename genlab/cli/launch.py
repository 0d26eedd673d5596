"""Launching the jobs of a sweep by Hydra: here, in several processes or on a cluster."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any, Literal

from genlab.bounds import NonNegative, NonNegativeInt, Positive, PositiveInt
from genlab.errors import GenlabError, RunError, UserError, one_line
from genlab.runs.files import is_refused
from genlab.runs.sweep import Job, JobState, SweepDirectory

__all__ = ["check_launcher", "launch"]

JOBLIB = "hydra_joblib_launcher"
RAY = "hydra_ray_launcher"
SUBMITIT = "hydra_submitit_launcher"
EXTRAS = {JOBLIB: "parallel", SUBMITIT: "slurm", RAY: "ray"}
# Hydra's own, which runs the jobs in this process.
HERE = "_internal"
SLURM = "submitit_slurm"
# Ray goes on with the other jobs after it has lost one; so long it may take to start the next.
PATIENCE = {RAY: 20.0}
# The others end what they have started.
IMPATIENCE = 1.0
EVERY = 0.2


@dataclass(frozen=True)
class JoblibOptions:
    """What ``hydra/launcher=joblib`` is told, beside keys that go to joblib unread.

    Attributes:
        n_jobs: Jobs at once; -1: as many as the cores allow.
    """

    n_jobs: PositiveInt | Literal[-1]


@dataclass(frozen=True)
class SubmititOptions:
    """What ``hydra/launcher=submitit_local`` and ``submitit_slurm`` are told, beside names.

    Attributes:
        timeout_min: Minutes.
        cpus_per_task: Cores of a job.
        gpus_per_node: GPUs of a job.
        mem_gb: Memory of a job.
        array_parallelism: Jobs in the queue at once.
        setup: Lines of the shell before each job.
    """

    timeout_min: Positive
    cpus_per_task: PositiveInt | None
    gpus_per_node: NonNegativeInt | None
    mem_gb: NonNegative | None = None
    array_parallelism: PositiveInt = 1
    setup: list[str] | None = None


OPTIONS: dict[str, type[Any]] = {JOBLIB: JoblibOptions, SUBMITIT: SubmititOptions}


def check_launcher(config: Any, threads: int) -> None:
    """Refuse a launcher that cannot work here; give each job the cores that it computes with.

    Args:
        config: Hydra's configuration of the sweep; changed in place.
        threads: How many threads a job computes with, at most.

    Raises:
        UserError: Its extra is not installed, an option does not fit, or there is no Slurm here.
    """
    from genlab.config.check import check_options

    launcher, package = config.hydra.launcher, plugin(config)
    if package in EXTRAS and find_spec(f"hydra_plugins.{package}") is None:
        raise UserError(f"{chosen(config)}: not installed; pip install 'genlab[{EXTRAS[package]}]'")
    if package in OPTIONS:
        # The launcher may take more keys than these; to resolve them all would make the directory.
        known = [field.name for field in fields(OPTIONS[package]) if field.name in launcher]
        given = {key: _plain(launcher[key]) for key in known}
        check_options("hydra.launcher", given, OPTIONS[package])
    if config.hydra.runtime.choices["hydra/launcher"] == SLURM and shutil.which("srun") is None:
        raise UserError(
            f"{chosen(config)}: no `srun` here; start it on a machine of the cluster, "
            "or use hydra/launcher=submitit_local"
        )
    if package == JOBLIB:
        most = max(1, cores() // threads)
        launcher.n_jobs = most if launcher.n_jobs < 0 else min(launcher.n_jobs, most)
    elif package == SUBMITIT:
        launcher.cpus_per_task = max(launcher.cpus_per_task or 1, threads)
    elif package == RAY:
        launcher.ray.remote.num_cpus = max(launcher.ray.remote.num_cpus, threads)


def launch(
    config: Any,
    make: Callable[[], Any],
    sweep: SweepDirectory,
    jobs: Sequence[Job],
    say: Callable[[str], None],
) -> None:
    """Run jobs, at most ``hydra.sweeper.max_batch_size`` before those behind them begin.

    How each of them ended stands in the directory of the sweep.

    Args:
        config: Hydra's configuration of the sweep.
        make: Makes a launcher of Hydra.
        sweep: The directory.
        jobs: What to run.
        say: Tells the user a line.

    Raises:
        RunError: The launcher itself failed, as where a cluster refuses a job.
    """
    size = config.hydra.sweeper.max_batch_size or len(jobs)
    try:
        for first in range(0, len(jobs), size):
            _launch_batch(config, make, sweep, jobs[first : first + size], say)
    except GenlabError:
        raise
    except Exception as error:
        if is_refused(error):
            raise
        raise RunError(f"{chosen(config)}: {type(error).__name__}: {one_line(error)}") from error


def _launch_batch(
    config: Any,
    make: Callable[[], Any],
    sweep: SweepDirectory,
    jobs: Sequence[Job],
    say: Callable[[str], None],
) -> None:
    if plugin(config) == SUBMITIT:
        _launch_each(make, sweep, jobs, say, at_once=_submitted_at_once(config))
    elif plugin(config) == HERE:
        launcher = make()
        for job in jobs:
            # By itself: what a launcher returns of each job would stay in memory until the last.
            _launch_together(lambda: launcher, sweep, [job], say, patience=IMPATIENCE)
    else:
        patience = PATIENCE.get(plugin(config), IMPATIENCE)
        _launch_together(make, sweep, jobs, say, patience=patience)


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
            words = [_words(job) for job in batch]
            make().launch(words, initial_job_idx=batch[0].number)
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
        # What ran in this process is over; a full disk kept it from being noted.
        running = any(state.state == "running" and not state.here for state in states)
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


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def plugin(config: Any) -> str:
    """Name of the package that the launcher comes from."""
    return str(config.hydra.launcher._target_).split(".")[1]


def chosen(config: Any) -> str:
    """The choice of a launcher, as a user writes it."""
    return f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']}"


def _plain(value: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
