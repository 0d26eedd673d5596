"""The resolver ``${genlab.claim:ROOT,DAY,NAME}``: a run directory of its own for each process.

And ``${genlab.name:}``, what the run is called by, as a part of NAME.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from genlab.config.stored import names
from genlab.config.unused import learns_no_model
from genlab.runs.directory import claim

__all__ = ["register_claim"]


def register_claim(*, make: bool) -> set[Path]:
    """Let configurations claim run directories.

    Hydra resolves the directory several times in a run; the first time makes it, the later ones
    give the same. Registered anew, the resolver forgets, and the next run gets another directory.

    Args:
        make: Claim the directory on disk; without, only its name is given, as for ``--cfg``.

    Returns:
        The directories made so far; grows as Hydra asks for them.
    """
    claims = Claims(make=make)
    # The cache travels with the configuration to the processes of a sweep.
    OmegaConf.register_new_resolver("genlab.claim", claims, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("genlab.name", _name, replace=True)
    return claims.made


class Claims:
    """Gives a run its directory, the same one whenever it is asked for; can be pickled.

    Args:
        make: As in `register_claim`.

    Attributes:
        made: The directories made so far.
    """

    def __init__(self, *, make: bool) -> None:
        self.make = make
        self.made: set[Path] = set()
        self._given: dict[tuple[str, str, str], str] = {}

    def __call__(self, root: str, day: str, name: str) -> str:
        key = (root, day, name)
        if key not in self._given:
            parent = Path(root).expanduser().absolute() / day
            path = claim(parent, name) if self.make else parent / name
            if self.make:
                self.made.add(path.resolve())
            self._given[key] = str(path)
        return self._given[key]


def _name(*, _root_: DictConfig) -> str:
    """What learns, and what from, as long as the configuration is still as Hydra composed it."""
    choices = dict(_root_.hydra.runtime.choices)
    if learns_no_model(_root_):
        choices["model"] = None
    return "-".join(names(choices))
