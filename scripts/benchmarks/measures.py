"""What the rounds of a cell say: medians, their spread, ratios, and exponents of a series."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["TORCH_PEERS", "exponent", "least_ratio", "median", "ratio", "ratios", "spread"]

TORCH_PEERS = ("zuko", "nflows", "normflows", "torchcfm", "scikit-learn")
OWN = ("genlab", "shipped", "compiled", "genlab train", "together")

Record = Mapping[str, Mapping[str, Any]]


def median(record: Record, name: str) -> float | None:
    """Microseconds of a contestant; None where it has none."""
    times = record.get(name, {}).get("us")
    return statistics.median(times) if times else None


def spread(record: Record, name: str) -> float | None:
    """Half of what lies between the quartiles, as a part of the median."""
    times = record.get(name, {}).get("us", ())
    if len(times) < 2:
        return None
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
    return (high - low) / 2 / middle


def ratio(record: Record, name: str, other: str) -> float | None:
    """The median over the rounds of what a contestant takes by what another takes in that round."""
    own, its = (record.get(who, {}).get("us") for who in (name, other))
    if not own or not its:
        return None
    return statistics.median(a / b for a, b in zip(own, its, strict=True))


def least_ratio(record: Record, pair: str) -> float | None:
    """By processor time, each side's least round: what other work beside it changes little.

    Args:
        record: The sides.
        pair: One of `ratios`.
    """
    own, its = (record[name].get("processor") for name in pair.split(" / "))
    return min(own) / min(its) if own and its else None


def ratios(record: Record) -> dict[str, float]:
    """Each of genlab's ways against the fastest torch peer, flowjax, bare loop and products."""
    peers = {peer: median(record, peer) for peer in TORCH_PEERS}
    timed = {peer: time for peer, time in peers.items() if time is not None}
    others = [min(timed, key=timed.__getitem__)] if timed else []
    others += ["flowjax", "exponax", "bare", "products", "bare loop", "one by one", "direct"]
    others += ["forward mode", "reverse mode"]
    found = {}
    for name in OWN:
        for other in others:
            value = ratio(record, name, other)
            if value is not None:
                found[f"{name} / {other}"] = value
    return found


def exponent(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """``b`` of ``value = a size^b`` by least squares of the logarithms, and its standard error.

    >>> [round(number, 6) for number in exponent([1, 10, 100], [2, 20, 200])]
    [1.0, 0.0]
    """
    x, y = ([math.log(number) for number in row] for row in (sizes, values))
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    square = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / square
    left = sum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y, strict=True))
    error = math.sqrt(left / (len(x) - 2) / square) if len(x) > 2 else math.nan
    return slope, error
