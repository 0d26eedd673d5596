"""Groups of options: which are chosen for the user, and where an option's object stands."""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "PARTS", "is_hidden", "place"]

# Groups whose option follows from the command, the model and the data; and Hydra's own.
HIDDEN = ("command", "hydra", "kind", "preset")

# A section may have a key of its own by such a name: `data.path` is a file, `path` a group.
PARTS = {
    "coupling": "objective",
    "network": "model",
    "observation": "model",
    "path": "model",
    "solver": "model",
}


def is_hidden(group: str) -> bool:
    """Whether a group, or the one that it is inside, is none that a user chooses from.

    >>> is_hidden("kind@_global_"), is_hidden("hydra/launcher"), is_hidden("model")
    (True, True, False)
    """
    return re.split("[@/]", group)[0] in HIDDEN


def place(group: str) -> str:
    """The key at which a group's option stands, as its file says or the entry that chose it.

    >>> place("path"), place("data"), place("solver@model.evaluation")
    ('model.path', 'data', 'model.evaluation')
    """
    name, _, package = group.partition("@")
    return package or (f"{PARTS[name]}.{name}" if name in PARTS else name)
