"""``genlab compare A B --paired``: runs row by row on the test rows that they share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from genlab.cli.run_argument import loading
from genlab.errors import UserError
from genlab.runs.comparison.cells import Cell
from genlab.runs.comparison.records import Record, matching, read_record, read_records
from genlab.runs.comparison.subjects import Subject
from genlab.runs.comparison.tables import Table
from genlab.runs.directory import RunDirectory
from genlab.runs.find import resolve
from genlab.runs.metrics import SIGN

if TYPE_CHECKING:
    from torch import Tensor

    from genlab.assembly import Training
    from genlab.batch import Batch

__all__ = ["compare_rows", "paired_columns", "paired_records", "paired_table"]

NUMBERS = ("nll", "difference", "won")
FRESH = "test rows: the fresh samples of the target that the first run was tested on"
NOTE = (
    "difference: mean of log p over that of the first run, nats a row; won: share of rows; both ± "
    "standard error over the test rows, which another seed of a run would add to"
)


def paired_records(paths: Sequence[Path], conditions: Sequence[str]) -> list[Record]:
    """The runs that are meant, in the order given; those of a folder by when they began.

    Args:
        paths: Runs, by path, name or ``latest``, and folders of them, whose finished runs count.
        conditions: ``KEY=VALUE`` that each has to meet.

    Raises:
        UserError: There is no such run, a named one is not done, or fewer than two are left.
    """
    records: dict[Path, Record] = {}
    for path in paths:
        if path.is_dir() and not RunDirectory(path).manifest.exists():
            found = [record for record in read_records([path])[0] if record.state == "done"]
        else:
            found = [read_record(resolve(str(path)))]
            if (state := found[0].state) != "done":
                raise UserError(f"--paired: {found[0].run.path} is {state}; expected finished runs")
        records |= {record.run.path.absolute(): record for record in found}
    chosen = list(records.values())
    for condition in conditions:
        chosen = matching(chosen, condition)
    if len(chosen) < 2:
        raise UserError(f"--paired: expected two finished runs or more, got {len(chosen)}")
    for record in chosen:
        if record.reads("command") == "solve":
            raise UserError(f"--paired: {record.run.path} is a solve, which has no test rows")
        if record.subject != chosen[0].subject:
            raise UserError(
                f"--paired: {record.run.path} was tested on other rows than "
                f"{chosen[0].run.path}: {_unlike(record.subject, chosen[0].subject)}"
            )
    return chosen


def compare_rows(records: Sequence[Record]) -> dict[str, Any]:
    """Score the same test rows by all runs, each against the first one.

    Where rows are samples of a target, each seed has others, and all are scored on the first run's.

    Args:
        records: The runs, tested on the same rows.

    Returns:
        ``rows``, of each run ``run``, ``model``, ``nll``, ``difference``, ``won``, each number with
        its ``.../se``, ``verdict`` and ``likelihood``; ``test_rows``, how many there are; and
        ``notes``, what to know of them.

    Raises:
        UserError: There are no test rows, or they differ after all.
    """
    with loading():
        from genlab.assembly import load
        from genlab.densities.inference import inference, log_probs
        from genlab.evaluation.estimate import estimate_mean
        from genlab.evaluation.paired import paired
    test: Batch | None = None
    first: Tensor | None = None
    fresh = False
    rows: list[dict[str, Any]] = []
    for record in records:
        run = cast("Training", load(record.run.path))
        own: Batch | None = run.data.test
        if own is None:
            raise UserError(f"--paired: {record.run.path} has kept no rows to test on")
        if test is None:
            test = own
        elif run.data.target is not None:
            # Of a target each seed has fresh samples: those of the first are as fresh for the next.
            fresh = fresh or not _same(own, test)
        elif not _same(own, test):
            raise UserError(
                f"--paired: the test rows of {record.run.path} are others than those of "
                f"{records[0].run.path}; `genlab rerun` trains on these as they are now"
            )
        with run.keys.telling(), inference(run.density):
            log_p = log_probs(run.density, test.x, test.context)
        first = log_p if first is None else first
        groups = run.data.test_groups
        nll = estimate_mean(-log_p, test.weight, groups)
        found = paired(log_p, first, test.weight, groups)
        numbers = {"nll": nll, "difference": found.difference, "won": found.won}
        told: dict[str, Any] = {"run": str(record.run.path), "model": record.reads("model")}
        for name, estimate in numbers.items():
            told |= {name: estimate.value, f"{name}/se": estimate.se}
        verdict = None if record is records[0] else found.verdict
        rows.append({**told, "verdict": verdict, "likelihood": str(record.manifest["likelihood"])})
    assert test is not None
    notes = [NOTE, *([FRESH] if fresh else []), *_notes(rows)]
    return {"rows": rows, "test_rows": len(test.x), "notes": notes}


def paired_table(found: Mapping[str, Any]) -> Table:
    """What `compare_rows` found, a row a run: numbers ± their standard errors."""
    rows: list[tuple[str | Cell | None, ...]] = []
    for place, row in enumerate(found["rows"]):
        cells = [_cell(row, name) for name in NUMBERS]
        nll = replace(cells[0], sign=SIGN[row["likelihood"]])
        rows.append((row["run"], nll, *(cells[1:] if place else (None, None)), _told(row)))
    return Table(("run", *NUMBERS, "verdict"), 1, tuple(rows))


def paired_columns(found: Mapping[str, Any]) -> Table:
    """The same with the standard errors in columns of their own, for another program."""
    names = [column for name in NUMBERS for column in (name, f"{name}/se")]
    rows: list[tuple[str | Cell | None, ...]] = [
        (row["run"], *[Cell(_finite(row[name])) for name in names], _told(row))
        for row in found["rows"]
    ]
    return Table(("run", *names, "verdict"), 1, tuple(rows))


def _cell(row: Mapping[str, Any], name: str) -> Cell:
    # Where a table of several seeds has their deviation.
    return Cell(_finite(row[name]), deviation=_finite(row[f"{name}/se"]))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _told(row: Mapping[str, Any]) -> str:
    return str(row["verdict"] or "the first")


def _notes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        if row["likelihood"] != "exact":
            kind = row["likelihood"].replace("_", " ")
            yield f"log p of {row['run']} is {'a' if kind[0] == 'l' else 'an'} {kind}"


def _same(rows: Batch, others: Batch) -> bool:
    """Whether two sets are the same rows, in single precision if one of them is."""
    import torch

    for own, other in ((rows.x, others.x), (rows.context, others.context)):
        if own is None or other is None:
            if own is not other:
                return False
        elif own.shape != other.shape or not torch.equal(own.float(), other.float()):
            return False
    return True


def _unlike(subject: Subject, first: Subject) -> str:
    """The first setting in which the rows of two runs differ."""
    if subject.name != first.name:
        return f"data={subject.name}, not {first.name}"
    ours, theirs = dict(subject.settings), dict(first.settings)
    keys = sorted({*ours, *theirs})
    key = next(key for key in keys if ours.get(key) != theirs.get(key))
    return f"{key}={ours.get(key, 'unset')}, not {theirs.get(key, 'unset')}"
