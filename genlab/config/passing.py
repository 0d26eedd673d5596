"""Keys that a node only passes on: ``data.dim``, which the data's target takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["passed_on"]


def passed_on(node: Mapping[str, Any]) -> frozenset[str]:
    """The keys of a node whose value a nested ``_target_`` node holds under the same name.

    In ``configs/`` they are written as interpolations; in the configuration that a run keeps these
    are resolved, so the names and the values have to tell.

    >>> sorted(passed_on({"_target_": "a.Data", "dim": 2, "target": {"_target_": "a.B", "dim": 2}}))
    ['dim']
    """
    nested = [value for value in node.values() if isinstance(value, Mapping)]
    objects = [inner for inner in nested if "_target_" in inner]
    return frozenset(
        name
        for name, value in node.items()
        if not name.startswith("_")
        and any(name in inner and inner[name] == value for inner in objects)
    )
