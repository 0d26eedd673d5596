"""From the words of a command line to a checked configuration, or to what was meant.

Here: where the configs are, which groups of options a user chooses from, and where an option's
object stands.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["HIDDEN", "PARTS", "config_dir", "is_hidden", "place", "split"]

# Groups whose option follows from the command, the model and the data; and Hydra's own.
HIDDEN = ("command", "hydra", "kind", "preset")

# A section may have a key of its own by such a name: `data.path` is a file, `path` a group.
PARTS = {
    "pairing": "objective",
    "network": "model",
    "observation": "model",
    "path": "model",
    "solver": "model",
    "spectrum": "data",
}


def config_dir() -> Path:
    """The folder of the configs: inside an installed wheel, or beside the package in a checkout.

    Raises:
        FileNotFoundError: The installation has lost it.
    """
    package = Path(__file__).resolve().parent.parent
    places = (package / "configs", package.parent / "configs")
    for folder in places:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no configs at {' or '.join(map(str, places))}: reinstall genlab")


def split(override: str) -> tuple[str, str]:
    """Key and value of an override, without its sign."""
    key, _, value = override.lstrip("+~").partition("=")
    return key, value


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
