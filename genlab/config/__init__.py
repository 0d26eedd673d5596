"""From the words of a command line to a checked configuration, or to what was meant.

The names here are imported on first use: to find the folder of the configs must not cost Hydra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genlab.config.composition import complete, compose
    from genlab.config.instantiation import build
    from genlab.config.mistakes import explained
    from genlab.config.output import register_claim
    from genlab.config.places import config_dir
    from genlab.config.recomposition import recompose
    from genlab.config.signature import locate
    from genlab.config.stored import names, plain, read_config
    from genlab.config.unused import OPTIONAL, used
    from genlab.config.validation import READ, check, check_options

__all__ = [
    "OPTIONAL",
    "READ",
    "build",
    "check",
    "check_options",
    "complete",
    "compose",
    "config_dir",
    "explained",
    "locate",
    "names",
    "plain",
    "read_config",
    "recompose",
    "register_claim",
    "used",
]

# No module is called like a function of it: it would shadow the function.
HOMES = {
    "OPTIONAL": "unused",
    "READ": "validation",
    "build": "instantiation",
    "check": "validation",
    "check_options": "validation",
    "complete": "composition",
    "compose": "composition",
    "config_dir": "places",
    "explained": "mistakes",
    "locate": "signature",
    "names": "stored",
    "plain": "stored",
    "read_config": "stored",
    "recompose": "recomposition",
    "register_claim": "output",
    "used": "unused",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
