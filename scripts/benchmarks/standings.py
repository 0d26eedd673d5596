"""The league's finished runs: as tables, on the page of results, and as curves against seconds."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.table import Column, Table
from genlab.runs.files import atomic_path

__all__ = ["LEGEND", "curve", "draw", "markdown", "of_table", "published"]

COLUMNS = 4
"""Panels beside each other."""

LEGEND = (
    "Mean ± standard deviation over the seeds (standard error of the mean), or over as many as [n] "
    "says; of a single seed ± the number's own standard error, if it has one. What nobody has run "
    "is empty; failed: no run came to its end."
)
"""How a cell is read."""

Records = Mapping[str, Mapping[str, Any]]
BLOCK = re.compile(r"(<!-- league: ([\w:.]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def of_table(records: Records, name: str) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The runs of a table by how long they fit, as their names say; ``""`` where they do not.

    >>> list(of_table({"toys:nsf:moons:seed0:60s": {}, "rna:nsf:rna:seed0": {}}, "toys"))
    ['60s']
    """
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for key, record in records.items():
        own, _, _, _, *length = key.split(":")
        if own == name:
            found.setdefault(":".join(length), {})[key] = record
    return found


def numbers(records: Records, row: str, data: str, metric: str) -> dict[int, float]:
    """A metric by seed.

    Args:
        records: The runs of one table and length.
        row: Whose.
        data: What was learned.
        metric: Its tag.
    """
    found = {}
    for key, record in records.items():
        _, its_row, its_data, seed, *_ = key.split(":")
        value = record.get("metrics", {}).get(metric)
        if (its_row, its_data) == (row, data) and value is not None:
            found[int(seed.removeprefix("seed"))] = value
    return found


def markdown(records: Records, table: Table) -> Iterator[str]:
    """The lines of a table.

    Args:
        records: Its runs, of one length.
        table: What it shows.
    """
    yield f"| | {' | '.join(table.columns)} |"
    yield "|---" * (1 + len(table.columns)) + "|"
    for row in table.rows:
        seeds = len(table.seeds_of(row))
        cells = (_cell(records, row, column, seeds) for column in table.columns.values())
        yield f"| {row} | {' | '.join(cells)} |"


def _cell(records: Records, row: str, column: Column, seeds: int) -> str:
    """Mean, standard deviation and error of the mean over the seeds; of one, its own error."""
    data, metric = column.data, column.metric
    found = numbers(records, row, data, metric)
    if column.minus == row:
        return ""
    if column.minus is not None:
        others = numbers(records, column.minus, data, metric)
        found = {seed: value - others[seed] for seed, value in found.items() if seed in others}
    if not found:
        mine = (record for key, record in records.items() if f":{row}:{data}:" in key)
        return "failed" if any("error" in record for record in mine) else ""
    mean = statistics.fmean(found.values())
    if len(found) > 1:
        deviation = statistics.stdev(found.values())
        of_mean = deviation / math.sqrt(len(found))
        shown = "{} ± {} ({})".format(*_to_two_digits(deviation, mean, deviation, of_mean))
    else:
        errors = {} if column.minus else numbers(records, row, data, f"{metric}/se")
        error = next(iter(errors.values()), 0.0)
        shown = " ± ".join(_to_two_digits(error, mean, *[error] * bool(error)))
    return shown if len(found) == seeds else f"{shown} [{len(found)}]"


def _to_two_digits(error: float, *values: float) -> list[str]:
    """Values with as many decimals as show two digits of an error; three digits where it is none.

    >>> _to_two_digits(0.0743, -0.33746, 0.0743)
    ['-0.337', '0.074']
    """
    digits = f".{max(0, 1 - math.floor(math.log10(error)))}f" if error else ".3g"
    return [f"{value:{digits}}" for value in values]


def published(page: str, records: Records, tables: Mapping[str, Table]) -> str:
    """A page whose blocks hold the tables that they name.

    A block begins with ``<!-- league: toys:60s -->``, the name of a table and the length of its
    runs, if these are told, and ends with ``<!-- end -->``. Without runs it is empty.

    >>> published("<!-- league: toys:60s -->\\nold\\n<!-- end -->", {}, {})
    '<!-- league: toys:60s -->\\n<!-- end -->'
    """

    def block(found: re.Match[str]) -> str:
        name, _, length = found[2].partition(":")
        mine = of_table(records, name).get(length)
        lines = [] if mine is None else ["", *markdown(mine, tables[name]), ""]
        return found[1] + "".join(f"{line}\n" for line in lines) + found[3]

    return BLOCK.sub(block, page)


def curve(
    record: Mapping[str, Any], curves: Mapping[str, Any], metric: str, monitor: str
) -> tuple[list[float], list[float]]:
    """Seconds of fitting, and the metric by then: `val/nll`, shifted to meet the test's value.

    They meet at the checkpoint that is tested. Validation rows are the same at each validation, so
    that differences are those of the model.

    Args:
        record: Of a run that has the metric.
        curves: A list each, a value at each validation.
        metric: Nats.
        monitor: What is least at that checkpoint.
    """
    columns = (curves[key] for key in ("seconds", "val/nll", monitor))
    points = [point for point in zip(*columns, strict=True) if None not in point]
    tested = min(points, key=lambda point: point[2])[1]
    shift = record["metrics"][metric] - tested
    return [s for s, *_ in points], [nats + shift for _, nats, _ in points]


def draw(records: Records, curves: Records, table: Table, path: Path) -> None:
    """A panel a column of nats, a colour a row, a line a run; nothing where no column is nats.

    Args:
        records: The runs of one table and length.
        curves: Those of each, by the same names; what has none is left out.
        table: What it shows.
        path: Where the figure goes.
    """
    from matplotlib import colormaps

    from benchmarks.panels import panels

    shown = {
        title: column
        for title, column in table.columns.items()
        if column.metric in ("test/kl", "test/nll") and column.minus is None
        if any(f":{column.data}:" in key for key in records)
    }
    if not shown:
        return
    rows, columns = -(-len(shown) // COLUMNS), min(len(shown), COLUMNS)
    figure, axes = panels(rows, columns, side=4.0)
    colours = dict(zip(table.rows, colormaps["tab10"].colors, strict=False))
    for axis, (title, column) in zip(axes, shown.items(), strict=False):
        told = set()
        for key, record in records.items():
            _, row, data, *_ = key.split(":")
            known = record.get("metrics", {}).get(column.metric) is not None and key in curves
            if known and data == column.data:
                label = None if row in told else row
                told.add(row)
                seconds, nats = curve(record, curves[key], column.metric, table.monitor)
                axis.plot(seconds, nats, "o-", ms=2, lw=0.9, color=colours[row], label=label)
        axis.set(title=title, xlabel="seconds of fitting", ylabel=column.metric, xscale="log")
        if column.metric == "test/kl":
            axis.set(yscale="log")
        if told:
            axis.legend(frameon=False, fontsize=7, loc="upper right")
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
