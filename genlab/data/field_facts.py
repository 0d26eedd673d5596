"""What a condition on fields tells before any is made: the width of the context."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["coarse_facts", "field_facts"]


def field_facts(**node: Any) -> dict[str, int]:
    """``context_dim``: of the means of blocks, one number each, or of one number.

    Args:
        **node: The options of `genlab.data.FieldData`, and those of its target beside them.
    """
    condition = node.get("condition")
    if condition is None:
        return {"context_dim": 0}
    if condition != "low_resolution":
        return {"context_dim": 1}
    channels, *sides = node["event_shape"]
    return {"context_dim": channels * math.prod(side // node["factor"] for side in sides)}


def coarse_facts(**node: Any) -> dict[str, int]:
    """``context_dim``: one number for each block.

    Args:
        **node: The options of `genlab.data.CoarseFields`, and those of its target beside them.
    """
    return field_facts(**node | {"condition": "low_resolution"})
