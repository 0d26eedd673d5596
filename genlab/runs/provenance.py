"""What a run was computed with: versions of Python and packages, and genlab's own commit."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import genlab

__all__ = ["git_commit", "provenance"]

PACKAGES = (
    "torch",
    "lightning",
    "hydra-core",
    "omegaconf",
    "tensorboard",
    "numpy",
    "scipy",
    "scikit-learn",
    "torchdiffeq",
    "POT",
)


def provenance() -> dict[str, Any]:
    """The part of ``run.json`` that the installation decides."""
    return {
        "python": platform.python_version(),
        "packages": dict(_versions()),
        "git_commit": git_commit(Path(genlab.__file__).parents[1]),
    }


def git_commit(checkout: Path) -> str | None:
    """The commit of genlab's sources, ``-dirty`` where they differ from it; None from a wheel."""
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return None
    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    answer = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
