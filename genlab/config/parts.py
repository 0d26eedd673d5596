"""Groups whose option describes a part of an object: where in the configuration it stands."""

from __future__ import annotations

__all__ = ["PARTS", "place"]

# A section may have a key of its own by such a name: `data.path` is a file, `path` a group.
PARTS = {
    "coupling": "objective",
    "network": "model",
    "observation": "model",
    "path": "model",
    "solver": "model",
}


def place(group: str) -> str:
    """The key at which a group's option stands, as its file says or the entry that chose it.

    >>> place("path"), place("data"), place("solver@model.evaluation")
    ('model.path', 'data', 'model.evaluation')
    """
    name, _, package = group.partition("@")
    return package or (f"{PARTS[name]}.{name}" if name in PARTS else name)
