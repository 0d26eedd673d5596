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
    made: set[Path] = set()
    claimed: dict[tuple[str, str, str], str] = {}

    def resolve(root: str, day: str, name: str) -> str:
        key = (root, day, name)
        if key not in claimed:
            parent = Path(root).expanduser().absolute() / day
            path = claim(parent, name) if make else parent / name
            if make:
                made.add(path.resolve())
            claimed[key] = str(path)
        return claimed[key]

    # The cache travels with the configuration to the processes of a sweep.
    OmegaConf.register_new_resolver("genlab.claim", resolve, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("genlab.name", _name, replace=True)
    return made


def _name(*, _root_: DictConfig) -> str:
    """What learns, and what from, as long as the configuration is still as Hydra composed it."""
    choices = dict(_root_.hydra.runtime.choices)
    if learns_no_model(_root_):
        choices["model"] = None
    return "-".join(names(choices))
