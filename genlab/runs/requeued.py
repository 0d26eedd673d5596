"""What a job of Slurm had begun before it was put back into the queue."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from genlab import slurm
from genlab.errors import GenlabError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.find import find_runs
from genlab.runs.holder import is_of_this_job
from genlab.runs.manifest import read_manifest
from genlab.runs.status import read_status

__all__ = ["begun_folders", "begun_run"]


def begun_run(folder: Path, hashes: Collection[str], *, alone: bool) -> RunDirectory | None:
    """The run of a configuration that this job began before it was put back into the queue.

    Args:
        folder: It is this one, or lies below.
        hashes: Those of the configuration.
        alone: Whether each task of the job has a run of its own.

    Returns:
        The run, the first of several; None where there is none, or the job starts for the first
        time.
    """
    if not slurm.is_requeued():
        return None
    begun = []
    for run in find_runs(folder):
        try:
            status, manifest = read_status(run), read_manifest(run)
        except GenlabError:
            continue
        if _is_begun(status, alone) and manifest["config_hash"] in hashes:
            begun.append((status["started"], run.path))
    return RunDirectory(min(begun)[1]) if begun else None


def begun_folders(outputs: Path, plan: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folders of sweeps or studies that this job began before it was put back into the queue.

    Args:
        outputs: Where they lie, by their dates.
        plan: Name of the file that says what is done in one, and by whom it was ``begun_by``.

    Yields:
        A folder, and its plan.
    """
    if not slurm.is_requeued():
        return
    for path in sorted(outputs.glob(f"*/*/{plan}")):
        try:
            planned = read_json(path)
        except GenlabError:
            continue
        if _is_begun(planned.get("begun_by", {}), alone=True):
            yield path.parent, planned


def _is_begun(process: Mapping[str, Any], alone: bool) -> bool:
    """Whether a process is of this job, and of this one's task where each is alone."""
    task = os.environ.get("SLURM_PROCID")
    return is_of_this_job(process) and (not alone or process["slurm_task"] == task)
