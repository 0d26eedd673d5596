"""The section `suggested`: what a family and a kind of data want of the optimiser and the trainer.

Options read it, ``lr: ${suggested.lr}``, and the user sets what reads it, ``optimizer.lr=1e-3``. So
every choice of the user wins, also that of another option, and the section itself is none of a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from genlab.errors import UserError
from genlab.runs.manifest import flatten

__all__ = ["fill_suggestions", "refuse_suggestions"]

SECTION = "suggested"
WORD = re.compile(rf"[+~]*({SECTION}\b[\w.]*)(=.*)?", re.DOTALL)
FOLLOWS = re.compile(r"[+~]*(kind|preset)\b(?!\.)")
EXAMPLE = "the key that reads it, such as optimizer.lr=VALUE"


def fill_suggestions(config: DictConfig) -> None:
    """Put what is suggested in the place of what reads it, and leave the section out.

    Args:
        config: As Hydra composed it; changed in place.
    """
    if SECTION in config:
        for key in _readers(config, SECTION):
            with suppress(OmegaConfBaseException):  # for the check to tell
                OmegaConf.update(config, key, OmegaConf.select(config, key))
        with open_dict(config):
            del config[SECTION]


def refuse_suggestions(overrides: Sequence[str], make: Callable[[], DictConfig]) -> None:
    """Refuse to set the section itself, or to choose what fills it.

    Args:
        overrides: What the user set.
        make: Composes a configuration in which the section still stands.

    Raises:
        UserError: One of them does; it names the key to write instead.
    """
    for word in overrides:
        if FOLLOWS.match(word):
            raise UserError(f"{word}: follows from the model and the data, cannot be chosen")
        if found := WORD.fullmatch(word):
            readers = [] if found[1] == SECTION else _readers(make(), found[1])
            instead = f"{readers[0]}{found[2] or ''}" if readers else EXAMPLE
            raise UserError(f"{word}: filled by genlab, cannot be set; write {instead}")


def _readers(config: DictConfig, wanted: str) -> list[str]:
    """The keys that read a key, or one below it."""
    raw = flatten(OmegaConf.to_container(config, resolve=False))  # type: ignore[arg-type]
    reads = re.compile(rf"\$\{{(\w[\w.]*:)?{re.escape(wanted)}\b")
    return [
        key
        for key, value in raw.items()
        if isinstance(value, str) and reads.search(value) and not key.startswith(f"{SECTION}.")
    ]
