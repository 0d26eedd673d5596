"""The folder of an exported model, as far as files tell: what is one, and what may be replaced."""

from __future__ import annotations

from pathlib import Path

from genlab.errors import UserError, first_few
from genlab.runs.files import read_json

__all__ = ["CONFIG", "WEIGHTS", "check_replaceable", "is_exported"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
NAMES = {CONFIG, WEIGHTS, "README.md", "figures"}
PROGRAMS = ("log_prob.", "sample.")


def is_exported(path: Path) -> bool:
    """Whether a folder holds an exported model."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def check_replaceable(folder: Path) -> None:
    """Refuse to replace a folder that is no exported model, or holds what is none of it.

    Raises:
        UserError: It is one of these.
    """
    if not is_exported(folder) or read_json(folder / CONFIG).get("library") != "genlab":
        raise UserError(f"-o {folder}: --force replaces an exported model, and this is none")
    others = sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in NAMES and not path.name.startswith(PROGRAMS)
    )
    if others:
        raise UserError(
            f"-o {folder}: --force would remove {first_few(others)}, which no export has written; "
            "another folder"
        )
