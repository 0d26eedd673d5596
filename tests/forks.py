"""Processes of one program, each with a rank of its own in its environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from lightning.fabric.utilities.rank_zero import _get_rank
from lightning.pytorch.utilities import rank_zero_only

__all__ = ["at_once", "in_environment"]

OF_CLUSTERS = ("SLURM_", "JSM_", "LSB_", "TORCHELASTIC_", "MASTER_")
OF_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "GLOBAL_RANK", "WORLD_SIZE")
SECONDS = 100


def in_environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Let these variables be all that the environment says of clusters and ranks."""
    for name in os.environ:
        if name in OF_RANKS or name.startswith(OF_CLUSTERS):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        # What training adds is taken away again too.
        monkeypatch.setenv(name, value)


def at_once(job: Callable[[], Any], environments: Iterable[Mapping[str, str]]) -> None:
    """Do a job in processes side by side, each as if Lightning had been imported there."""
    children = [_fork(job, variables) for variables in environments]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * len(codes)


def _fork(job: Callable[[], Any], variables: Mapping[str, str]) -> int:
    child = os.fork()
    if child == 0:
        try:
            # One that waits for another in vain, in C, where no handler of pytest's would run.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            os.environ.update(variables)
            rank_zero_only.rank = _get_rank() or 0  # type: ignore[attr-defined]
            os._exit(1 if job() else 0)
        finally:
            os._exit(1)
    return child
