"""The table of runs: state, model, data, and the metric that runs are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from genlab.errors import UserError
from genlab.runs.comparison.plain import plain_runs
from genlab.runs.comparison.records import Record, matching, read_records
from genlab.runs.files import json_text
from genlab.runs.find import OUTPUTS
from genlab.runs.metrics import SIGN, headline
from genlab.runs.text import aligned, with_error

__all__ = ["headline_cells", "print_runs"]

HEADER = ("started", "state", "model", "data", "metric", "value")


def print_runs(
    folder: Path | None = None, where: Sequence[str] = (), *, json: bool = False
) -> None:
    """Print the runs below ``folder``, the last one at the end.

    Args:
        folder: Where to look; ``outputs``, which need not be there yet, if None.
        where: Conditions, as ``KEY=VALUE``.
        json: Whether all that is known is printed as JSON.

    Raises:
        UserError: There is no such folder, or a condition names what no run has.
    """
    if folder is not None and not folder.is_dir():
        raise UserError(f"list runs {folder}: no such folder")
    places = [folder or OUTPUTS]
    records, unreadable = read_records([place for place in places if place.is_dir()])
    for condition in where:
        records = matching(records, condition)
    notes = [f"unreadable: {line}" for line in unreadable]
    if json:
        print(json_text(plain_runs(records, notes)), end="")
        return
    if not records and not notes:
        print(f"no runs below {places[0]}; `genlab train model=realnvp data=moons` makes one")
        return
    tagged = any(record.labels.tags for record in records)
    header = (*HEADER, *(["tags"] if tagged else []), "run")
    lines = aligned([header, *(_row(record, tagged=tagged) for record in records)])
    print("".join(f"{line}\n" for line in (*lines, *notes)), end="")


def _row(record: Record, *, tagged: bool) -> tuple[str, ...]:
    created = datetime.fromisoformat(record.manifest["created"]).astimezone()
    return (
        f"{created:%Y-%m-%d %H:%M:%S}",
        record.state,
        record.reads("model"),
        record.reads("data"),
        *headline_cells(dict(record.metrics), record.manifest["likelihood"]),
        *([" ".join(record.labels.tags)] if tagged else []),
        str(record.run.path),
    )


def headline_cells(metrics: dict[str, Any], likelihood: str) -> tuple[str, str]:
    """The metric that runs are compared by, and its value with its standard error.

    That of a bound on the likelihood is written ``<= value``, of an estimate ``~ value``.
    """
    metric = headline(metrics)
    if metric is None:
        return "", ""
    sign = SIGN[likelihood] if metric.bound else ""
    return metric.tag, sign + with_error(metrics[metric.tag], metrics.get(f"{metric.tag}/se"))
