"""A configuration as one mapping with dotted keys, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["flatten", "nested"]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists and empty mappings are values.

    >>> flatten({"model": {"layers": 8, "hidden": [64, 64]}})
    {'model.layers': 8, 'model.hidden': [64, 64]}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """What `flatten` made flat.

    >>> nested({"model.layers": 8, "model.hidden": [64, 64], "seed": 0})
    {'model': {'layers': 8, 'hidden': [64, 64]}, 'seed': 0}
    """
    config: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        within = config
        for section in sections:
            within = within.setdefault(section, {})
        within[name] = value
    return config
