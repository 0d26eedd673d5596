"""Metrics as ``metrics.json`` holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json

__all__ = ["finite", "record_metrics"]


def finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers by tag, None in the place of what is not finite."""
    return {tag: float(value) if math.isfinite(value) else None for tag, value in numbers.items()}


def record_metrics(run: RunDirectory, numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Write ``metrics.json``; what was measured before, and is not now, stays.

    Returns:
        All metrics of the run.
    """
    metrics = finite(numbers)
    if run.metrics.exists():
        metrics = read_json(run.metrics) | metrics
    write_json(run.metrics, metrics)
    return metrics
