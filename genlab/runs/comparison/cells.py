"""A metric over the runs of one setting: mean, standard deviation, and whether it is the best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from genlab.runs.comparison.groups import Group
from genlab.runs.metrics import SIGN, metric_of, reliable, standardised
from genlab.runs.text import rounded

__all__ = ["UNITS", "UNRELIABLE", "Cell", "cell", "mark_best"]

UNRELIABLE = "unreliable"
"""What stands behind a number that is not to be relied on."""
UNITS = "standardised"
"""What stands behind a distance in standard deviations of each column of a table."""


@dataclass(frozen=True)
class Cell:
    """A number of a table.

    Attributes:
        mean: The mean over the runs; None where one of them has no finite value.
        deviation: Their standard deviation (n - 1); None for a single run.
        error: The standard error of a single run's value; None where it is unknown.
        sign: What stands before a bound or an estimate.
        best: Whether no other setting does better on the same data.
        remarks: What stands behind it: `UNITS`, `UNRELIABLE`.
    """

    mean: float | None = None
    deviation: float | None = None
    error: float | None = None
    sign: str = ""
    best: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def reliable(self) -> bool:
        """Whether each of the runs' values may be relied on."""
        return UNRELIABLE not in self.remarks

    def without(self, remark: str) -> Cell:
        """The same number, of which this is said elsewhere."""
        return replace(self, remarks=tuple(other for other in self.remarks if other != remark))

    @property
    def text(self) -> str:
        """Mean and deviation to the digits that they deserve, and what to know of them."""
        return " ".join((self.number, *self.remarks))

    @property
    def number(self) -> str:
        """Mean and deviation to the digits that they deserve."""
        value, _ = rounded(self.mean, self.deviation or self.error)
        spread = rounded(self.mean, self.deviation)[1]
        return f"{self.sign}{value} ± {spread}" if spread else f"{self.sign}{value}"


def cell(group: Group, tag: str) -> Cell | None:
    """A metric over a group; None where no run has it.

    A mean is over all of the runs: where one has no finite value, or another unit, there is none.
    """
    values = group.metric(tag)
    finite = [value for value in values if value is not None]
    if not any(tag in record.metrics for record in group.records):
        return None
    likelihoods = {record.manifest["likelihood"] for record in group.records}
    signs = (SIGN[likelihood] for likelihood in likelihoods)
    sign = max(signs, key=len) if metric_of(tag).bound else ""
    units = {standardised(tag, record.metrics) for record in group.records}
    if len(finite) < len(values) or len(units) > 1:
        return Cell(sign=sign)
    mean = math.fsum(finite) / len(finite)
    sound = all(reliable(tag, record.metrics) for record in group.records)
    remarks = (*([UNITS] if units == {True} else []), *([] if sound else [UNRELIABLE]))
    if len(finite) > 1:
        return Cell(mean, statistics.stdev(finite), sign=sign, remarks=remarks)
    error = group.records[0].metrics.get(f"{tag}/se")
    return Cell(mean, error=error, sign=sign, remarks=remarks)


def mark_best(
    tag: str, cells: Sequence[Cell | None], subjects: Iterable[Hashable]
) -> list[Cell | None]:
    """The cells with the best on each set of rows marked, where there are several to choose from.

    What is not to be relied on is not compared.

    Args:
        tag: The metric.
        cells: Its cells.
        subjects: What each is about: numbers about others cannot be compared.
    """
    sense = metric_of(tag).better
    where: dict[Hashable, list[int]] = {}
    for place, (found, subject) in enumerate(zip(cells, subjects, strict=True)):
        if found is not None and found.mean is not None and found.reliable:
            where.setdefault(subject, []).append(place)
    marked = list(cells)
    for places in where.values():
        best = max(sense * _mean(cells[place]) for place in places)
        for place in places:
            found = cells[place]
            if sense and len(places) > 1 and found is not None and sense * _mean(found) == best:
                marked[place] = replace(found, best=True)
    return marked


def _mean(found: Cell | None) -> float:
    assert found is not None
    assert found.mean is not None
    return found.mean
