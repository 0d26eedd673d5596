"""The table of runs: state, model, data, and the metric that runs are compared by."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from genlab.errors import GenlabError, UserError
from genlab.runs.comparison.subjects import Subject, named, subject_of
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.find import OUTPUTS, find_runs
from genlab.runs.manifest import read_manifest
from genlab.runs.metrics import SIGN
from genlab.runs.metrics import headline as headline_of
from genlab.runs.status import effective_state
from genlab.runs.text import aligned, rounded

__all__ = ["headline", "print_runs"]

HEADER = ("started", "state", "model", "data", "metric", "value", "run")
DATA = HEADER.index("data")


def print_runs(folder: Path | None = None) -> None:
    """Print the runs below ``folder``, the last one at the end.

    Args:
        folder: Where to look; ``outputs``, which need not be there yet, if None.

    Raises:
        UserError: There is no such folder.
    """
    if folder is None:
        folder = OUTPUTS
    elif not folder.is_dir():
        raise UserError(f"list runs {folder}: no such folder")
    rows: list[tuple[datetime, list[str]]] = []
    subjects: list[Subject] = []
    unreadable: list[str] = []
    for found in find_runs(folder):
        try:
            manifest = read_manifest(found)
            rows.append(_row(found, manifest))
            subjects.append(subject_of(manifest))
        except GenlabError as error:
            unreadable.append(f"unreadable: {error}")
    if not rows and not unreadable:
        print(f"no runs below {folder}; `genlab train model=realnvp data=moons` makes one")
        return
    for (_, row), name in zip(rows, named(subjects), strict=True):
        row[DATA] = name
    table = aligned([HEADER, *(row for _, row in sorted(rows))])
    print("".join(f"{line}\n" for line in (*table, *unreadable)), end="")


def _row(found: RunDirectory, manifest: dict[str, Any]) -> tuple[datetime, list[str]]:
    """When a run was started, by which the table is sorted, and its line."""
    metrics = read_json(found.metrics) if found.metrics.exists() else {}
    created = datetime.fromisoformat(manifest["created"]).astimezone()
    return created, [
        f"{created:%Y-%m-%d %H:%M:%S}",
        effective_state(found),
        manifest["model"],
        manifest["data"],
        *headline(metrics, manifest["likelihood"]),
        str(found.path),
    ]


def headline(metrics: dict[str, Any], likelihood: str) -> tuple[str, str]:
    """The metric that runs are compared by, and its value with its standard error.

    That of a bound on the likelihood is written ``<= value``, of an estimate ``~ value``.
    """
    metric = headline_of(metrics)
    if metric is None:
        return "", ""
    value, error = rounded(metrics[metric.tag], metrics.get(f"{metric.tag}/se"))
    sign = SIGN[likelihood] if metric.bound else ""
    spread = f" +- {error}" if error else ""
    return metric.tag, f"{sign}{value}{spread}"
