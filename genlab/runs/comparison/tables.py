"""Tables of runs: a row a setting, or a pivot of one metric over two settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from genlab.errors import UserError, nearest
from genlab.runs.comparison.cells import UNITS, Cell, cell, mark_best
from genlab.runs.comparison.groups import Group, by_nature
from genlab.runs.comparison.records import metrics_of
from genlab.runs.metrics import METRICS

__all__ = ["Table", "check_metrics", "listing", "pivot", "sorted_by"]

RUNS = "runs"


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers.

    Attributes:
        header: Names of the columns.
        keys: How many columns, from the left, are settings.
        rows: The cells; None where there is nothing to show.
    """

    header: tuple[str, ...]
    keys: int
    rows: tuple[tuple[str | Cell | None, ...], ...]


def listing(groups: Sequence[Group], keys: Sequence[str], tags: Sequence[str]) -> Table:
    """A row a group: its settings, the number of its runs, its metrics.

    The title of a column says in which units all its numbers are, where they are not in those of
    the data.
    """
    titles, columns = list(tags), [_marked(groups, tag) for tag in tags]
    for place, items in enumerate(columns):
        known = [item for item in items if item and item.mean is not None]
        if known and all(UNITS in item.remarks for item in known):
            titles[place] += f" ({UNITS})"
            columns[place] = [item and item.without(UNITS) for item in items]
    rows = zip(*columns, strict=True) if columns else ((),) * len(groups)
    return Table(
        (*keys, RUNS, *titles),
        len(keys) + 1,
        tuple(
            (*group.settings, str(len(group.records)), *row)
            for group, row in zip(groups, rows, strict=True)
        ),
    )


def pivot(
    groups: Sequence[Group],
    keys: Sequence[str],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    tag: str,
) -> Table:
    """One metric: a row for each setting of ``rows``, a column for each of ``columns``.

    Raises:
        UserError: Runs of one cell differ in something else.
    """
    places = [
        tuple(tuple(group.records[0].reads(key) for key in axis) for axis in (rows, columns))
        for group in groups
    ]
    for place in places:
        if places.count(place) > 1:
            beside = [group for group, other in zip(groups, places, strict=True) if other == place]
            raise UserError(_several(beside, keys, rows, columns))
    cells = dict(zip(places, _marked(groups, tag), strict=True))
    heads = _distinct(place[1] for place in places)
    return Table(
        (*rows, *(" ".join(head) for head in heads)),
        len(rows),
        tuple(
            (*row, *(cells.get((row, head)) for head in heads))
            for row in _distinct(place[0] for place in places)
        ),
    )


def check_metrics(tags: Sequence[str], known: Collection[str], option: str) -> list[str]:
    """The metrics to show; the usual ones if none is asked for.

    Args:
        tags: What is asked for.
        known: What any run has.
        option: Where it was asked for.

    Raises:
        UserError: No run has one of them.
    """
    for tag in tags:
        if tag not in known:
            raise UserError(f"{option} {tag}: no run has this metric; {nearest(tag, known)}")
    return list(tags) or [m.tag for m in METRICS if m.column and m.tag in known]


def sorted_by(
    groups: Sequence[Group], keys: Sequence[str], key: str, *, reverse: bool
) -> list[Group]:
    """The groups by a setting or by the mean of a metric; those without one at the end.

    Raises:
        UserError: It is neither.
    """
    if key in keys:
        place = keys.index(key)
        return sorted(groups, key=lambda group: by_nature(group.settings[place]), reverse=reverse)
    known = metrics_of(record for group in groups for record in group.records)
    if key not in known:
        raise UserError(f"--sort {key}: no such column; {nearest(key, [*keys, *known])}")
    sign = -1.0 if reverse else 1.0

    def place_of(group: Group) -> tuple[bool, float]:
        found = cell(group, key)
        if found is None or found.mean is None:
            return True, 0.0
        return False, sign * found.mean

    return sorted(groups, key=place_of)


def _marked(groups: Sequence[Group], tag: str) -> list[Cell | None]:
    return mark_best(
        tag, [cell(group, tag) for group in groups], [group.about(tag) for group in groups]
    )


def _distinct(parts: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return sorted(set(parts), key=lambda texts: [by_nature(text) for text in texts])


def _several(
    beside: Sequence[Group], keys: Sequence[str], rows: Sequence[str], columns: Sequence[str]
) -> str:
    values = {key: {group.settings[place] for group in beside} for place, key in enumerate(keys)}
    other = next(key for key in keys if len(values[key]) > 1)
    cell_of = " ".join(beside[0].records[0].reads(key) for key in (*rows, *columns))
    return (
        f"--rows {','.join(rows)} --cols {','.join(columns)}: runs of the cell {cell_of} differ "
        f"in {other}; choose by --where {other}=VALUE, or --rows {','.join((*rows, other))}"
    )
