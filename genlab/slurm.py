"""The job of Slurm that this process is of: its name, its restarts, and the way back to the queue.

Slurm sends the signal of ``sbatch --signal`` before the time limit of a job, and the job itself
asks to be queued again by ``scontrol requeue`` (https://slurm.schedmd.com/sbatch.html). submitit
has a signal and a handler of its own, which does the same for the jobs that it has started.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from genlab.errors import Interrupted, one_line

__all__ = [
    "by_submitit",
    "helping",
    "is_requeued",
    "job",
    "requeue",
    "requeue_signal",
    "restarts",
    "wants_requeue",
]


def job() -> str | None:
    """The job as ``scontrol`` takes it, ``ARRAY_TASK`` for one of an array; None outside Slurm."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:
        # By its own number alone the first of an array would stand for all of them.
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def restarts() -> int:
    """How often the job was started again."""
    return int(os.environ.get("SLURM_RESTART_COUNT", 0))


def is_requeued() -> bool:
    """Whether this process is of a job that was started before."""
    return job() is not None and restarts() > 0


def by_submitit() -> bool:
    """Whether submitit has started this process, and sees to the queue."""
    return "SUBMITIT_EXECUTOR" in os.environ


def requeue_signal() -> signal.Signals | None:
    """By which a job is asked to save and to go back to the queue; None outside a job."""
    if by_submitit():
        return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
    return signal.SIGUSR1 if job() is not None else None


def wants_requeue(stop: Interrupted) -> bool:
    """Whether this process is to put its job back: it was asked to, perhaps before it was ended."""
    if by_submitit() or stop.helps:
        return False
    error: BaseException | None = stop
    while error is not None:
        if isinstance(error, Interrupted) and error.signal == requeue_signal():
            return True
        error = error.__context__
    return False


@contextmanager
def helping(helps: bool = True) -> Iterator[None]:
    """Leave the queue to another process of the job, where this one only helps it."""
    try:
        yield
    except Interrupted as stop:
        stop.helps = helps
        raise


def requeue() -> str:
    """Put the job back into the queue, to be started again from its first line.

    Slurm ends what is left of it: all has to be saved before.

    Returns:
        What a user is told of it.
    """
    command = ["scontrol", "requeue", str(job())]
    # Slurm ends all processes of the job, and should not end this one before it is done.
    ignored = [signal.SIGTERM, *filter(None, [requeue_signal()])]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return f"{' '.join(command)}: {error.strerror}; the job is not back in the queue"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if done.returncode:
        return f"{' '.join(command)}: {one_line(done.stderr.strip())}"
    return f"job {job()} is back in the queue, and the same command goes on there"
