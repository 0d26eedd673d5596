"""A recipe or a pairing of which the user replaces a part: what it said of that part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from genlab.config.keys import split
from genlab.config.parts import place
from genlab.config.signature import locate, signature

__all__ = ["drop_replaced"]


def drop_replaced(config: DictConfig, runtime: DictConfig, overrides: Sequence[str]) -> None:
    """Leave out what was said of a part, where the one that replaces it has no such key.

    ``experiment=pinn_sharp_peak sampler=sobol``: the recipe's ``sampler.candidates`` is for the
    samplers that look at the residual. ``model=cnf data=digits network=concat_squash``: the
    channels that the family wants for images are those of a U-Net.

    Args:
        config: A composed configuration; changed in place.
        runtime: Hydra's node ``runtime``: the choices, and where options are found.
        overrides: What the user set.
    """
    suggested = _suggested(runtime)
    chosen = {split(word)[0] for word in overrides}
    for where in map(place, chosen):
        said, node = (
            OmegaConf.select(part, where, throw_on_resolution_failure=False)
            for part in (suggested, config)
        )
        replaced = isinstance(said, DictConfig) and isinstance(node, DictConfig)
        if not replaced or node.get("_target_") is None:
            continue
        takes = signature(locate(where, node._target_))
        with open_dict(config):
            for key in said.keys() & node.keys() - takes.parameters.keys():
                if not takes.open and f"{where}.{key}" not in chosen:
                    del node[key]


def _suggested(runtime: DictConfig) -> Any:
    """What the recipe that is taken says, and the pairings of what is chosen."""
    folders = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    suggested: Any = OmegaConf.create()
    for group, option in runtime.choices.items():
        name, _, package = group.partition("@")
        if name == "experiment" or name.startswith("pairing/"):
            files = [folder / name / f"{option}.yaml" for folder in folders]
            said: Any = next((OmegaConf.load(file) for file in files if file.is_file()), {})
            for key in reversed(package.split(".") if package else []):
                said = {key: said}
            suggested = OmegaConf.merge(suggested, said)
    return suggested
