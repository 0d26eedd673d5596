"""What a condition on fields tells before any is made: the width and shape of the context."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["coarse_facts", "field_facts"]


def field_facts(**node: Any) -> dict[str, Any]:
    """``context_dim`` and ``condition_shape``: of the means of blocks, or of one number.

    Args:
        **node: The options of `genlab.data.FieldData`, and those of its target beside them.
    """
    condition = node.get("condition")
    if condition is None:
        return {"context_dim": 0, "condition_shape": []}
    if condition != "low_resolution":
        return {"context_dim": 1, "condition_shape": []}
    channels, *sides = node["event_shape"]
    shape = [channels, *(side // node["factor"] for side in sides)]
    return {"context_dim": math.prod(shape), "condition_shape": shape}


def coarse_facts(**node: Any) -> dict[str, Any]:
    """``context_dim`` and ``condition_shape``: one number for each block.

    Args:
        **node: The options of `genlab.data.CoarseFields`, and those of its target beside them.
    """
    return field_facts(**node | {"condition": "low_resolution"})
