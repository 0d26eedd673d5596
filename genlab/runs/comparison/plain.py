"""Runs and tables in plain containers, as other programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.runs.comparison.cells import Cell, cell
from genlab.runs.comparison.groups import Group
from genlab.runs.comparison.records import Record, matching, read_records
from genlab.runs.find import OUTPUTS
from genlab.runs.settings import CHOICE
from genlab.runs.status import read_status

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["frame_of", "plain_groups", "plain_record", "plain_runs"]

# What a table of no runs has, too, so that a script that reads it needs no case of its own.
ALWAYS = (
    *("run", "state", "error", "created", "started", "ended", "step", "model", "data"),
    *("likelihood", "seed", "tags", "notes"),
)


def plain_runs(records: Iterable[Record], notes: Iterable[str]) -> dict[str, Any]:
    """The one shape of all JSON: ``runs``, as `plain_record` has each, and ``notes`` in words."""
    return {"runs": [plain_record(record) for record in records], "notes": list(notes)}


def plain_record(record: Record) -> dict[str, Any]:
    """What is known of a run.

    Returns:
        ``run`` (its folder), ``state``, ``error``, ``created``, ``started``, ``ended``, ``step``,
        ``model``, ``data``, ``likelihood``, ``seed``, ``tags``, ``notes`` (each ``text`` and
        ``written``), ``settings`` (by key, a group by its name) and ``metrics`` (by tag, None for
        what was not finite). Times are in ISO format.
    """
    manifest, status = record.manifest, read_status(record.run)
    return {
        "run": str(record.run.path),
        "state": record.state,
        "error": record.error,
        "created": manifest["created"],
        **{key: status.get(key) for key in ("started", "ended", "step")},
        "model": record.reads("model"),
        "data": record.reads("data"),
        "likelihood": manifest["likelihood"],
        "seed": record.seed,
        "tags": list(record.labels.tags),
        "notes": [note._asdict() for note in record.labels.notes],
        "settings": settings_of(manifest),
        "metrics": dict(record.metrics),
    }


def settings_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run, a group by its own name, as on the command line."""
    return {key.removeprefix(CHOICE): value for key, value in manifest["config"].items()}


def plain_groups(
    groups: Sequence[Group], keys: Sequence[str], tags: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of a comparison.

    Returns:
        Of each ``settings`` (by key, as text), ``runs`` (folders) and ``metrics``: by tag
        ``mean``, ``sd`` (None of a single run) and ``se`` (of a single run), as a table has them.
    """
    return [
        {
            "settings": dict(zip(keys, group.settings, strict=True)),
            "runs": [str(record.run.path) for record in group.records],
            "metrics": {
                tag: _number(found) for tag in tags if (found := cell(group, tag)) is not None
            },
        }
        for group in groups
    ]


def frame_of(path: str | Path = OUTPUTS, where: str | Sequence[str] = ()) -> DataFrame:
    """The runs at or below a folder, a row each, in the order they were started.

    Columns are what `plain_record` names, then each setting and each metric under its own name:
    ``model``, ``optimizer.lr``, ``test/kl``. A directory that cannot be read is told by a warning.

    Args:
        path: Where to look; ``outputs`` need not be there yet.
        where: Conditions as behind ``--where``: ``"model=nsf,realnvp"``, or several.

    Raises:
        UserError: There is no such folder, or a condition names what no run has.
    """
    import warnings

    from pandas import DataFrame, to_datetime

    folder = Path(path).expanduser()
    records, unreadable = read_records([folder] if folder != OUTPUTS or folder.is_dir() else [])
    for line in unreadable:
        warnings.warn(f"unreadable: {line}", stacklevel=3)
    for condition in [where] if isinstance(where, str) else where:
        records = matching(records, condition)
    rows = []
    for record in records:
        row = plain_record(record)
        settings, metrics = row.pop("settings"), row.pop("metrics")
        rows.append({**row, **{k: v for k, v in settings.items() if k not in row}, **metrics})
    frame = DataFrame(rows) if rows else DataFrame(columns=list(ALWAYS))
    for column in frame.columns.intersection(["created", "started", "ended"]):
        frame[column] = to_datetime(frame[column], format="ISO8601")
    return frame


def _number(found: Cell) -> dict[str, float | None]:
    return {"mean": found.mean, "sd": found.deviation, "se": found.error}
