"""From the words of a command line to a checked configuration, or to what was meant."""

from __future__ import annotations

from pathlib import Path

__all__ = ["config_dir"]


def config_dir() -> Path:
    """The folder of the configs: inside an installed wheel, or beside the package in a checkout.

    Raises:
        FileNotFoundError: The installation has lost it.
    """
    package = Path(__file__).resolve().parent.parent
    places = (package / "configs", package.parent / "configs")
    for place in places:
        if place.is_dir():
            return place
    raise FileNotFoundError(f"no configs at {' or '.join(map(str, places))}: reinstall genlab")
