"""What a model is made of that is not genlab's: a user's modules and files, and what they need."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from importlib.metadata import distributions, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from genlab.config.targets import locate
from genlab.errors import UserError
from genlab.imports import module_of
from genlab.targets.custom import Custom

__all__ = ["located", "nodes", "own_code", "remedy"]

Plain = dict[str, Any]


def own_code(node: Mapping[str, Any], key: str) -> list[Plain]:
    """What a node of a configuration names that is not genlab's, as ``config.json`` lists it.

    A module of a distribution is to be installed, in the version that is here. Another one lies in
    a file or a folder that is to be copied, with those of its kind that it imports.

    >>> own_code({"_target_": "genlab.models.GMM", "event_shape": 2}, "model")
    []

    Args:
        node: The node, everything resolved.
        key: Its key.
    """
    found: list[Plain] = []
    for place, one in nodes(node, key):
        target = one["_target_"]
        if _room(target) != "genlab":
            modules = [_described(name) for name in _with_imports(_room(target), place, target)]
            found.append({"key": f"{place}._target_", "value": target, "modules": modules})
        elif locate(place, target) is Custom:
            name = Path(one["file"]).name
            found.append({"key": f"{place}.file", "value": one["file"], "file": name})
    return found


def located(node: Mapping[str, Any], own: Sequence[Mapping[str, Any]], folder: Path) -> Plain:
    """The node ``model`` of an export, with a user's files where they are on this machine.

    A file is looked for in the folder of the export, and then where it was.

    Args:
        node: The node.
        own: What `own_code` has found in it.
        folder: That of the export.

    Raises:
        UserError: A module or a file is not there.
    """
    here = deepcopy(dict(node))
    at = dict(nodes(here, "model"))
    for one in own:
        names = f"{folder}: {one['key']}={one['value']}"
        for module in one.get("modules", []):
            if find_spec(_room(module["name"])) is None:
                raise UserError(f"{names}: no module {module['name']!r}; {remedy(module)}")
        if "file" in one:
            place = next(filter(Path.is_file, (folder / one["file"], Path(one["value"]))), None)
            if place is None:
                raise UserError(f"{names}: no such file; {remedy(one)}")
            at[one["key"].removesuffix(".file")]["file"] = str(place)
    return here


def remedy(needed: Mapping[str, Any]) -> str:
    """What brings a module or a file that an export needs, in words.

    >>> remedy({"name": "my_flow", "copy": "my_flow.py"})
    'copy my_flow.py into a folder of PYTHONPATH'
    """
    if "install" in needed:
        return f"pip install {needed['install']}"
    if "file" in needed:
        return f"copy {needed['file']} into the folder of the export"
    return f"copy {needed['copy']} into a folder of PYTHONPATH"


def nodes(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Each node that names what it makes, with its key."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield key, value
        for name, inner in value.items():
            yield from nodes(inner, f"{key}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nodes(inner, f"{key}.{index}")


def _with_imports(room: str, key: str, target: str) -> list[str]:
    """A top module, and the user's own and installed ones that it imports, if it is a user's own.

    What comes with Python or with genlab is none of them.
    """
    locate(key, target)
    known = {"genlab", "__main__", *sys.stdlib_module_names, *_required()}
    found = [room]
    for name in found:  # which grows
        if name in packages_distributions():
            continue  # it says itself what it needs
        parts = [m for full, m in sys.modules.items() if _room(full) == name]
        values = [value for part in list(parts) for value in vars(part).values()]
        rooms = [_room(module_of(value)) for value in values]
        found += dict.fromkeys(r for r in rooms if r not in {"", *known, *found})
    return found


def _described(name: str) -> Plain:
    """A top module as ``config.json`` has it."""
    installed = packages_distributions().get(name)
    if installed:
        return {"name": name, "install": f"{installed[0]}=={version(installed[0])}"}
    file = getattr(sys.modules[name], "__file__", None)
    path = Path(file or f"{name}.py")
    return {"name": name, "copy": f"{name}/" if path.stem == "__init__" else path.name}


def _required() -> set[str]:
    """The top modules of the distributions that genlab itself needs."""
    lines = [line for own in distributions(name="genlab") for line in own.requires or []]
    names = {_normal(re.split(r"[^\w.-]", line)[0]) for line in lines if "extra ==" not in line}
    modules = packages_distributions().items()
    return {name for name, owners in modules if names & set(map(_normal, owners))}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _room(path: str) -> str:
    return path.partition(".")[0]
