"""A recipe (``experiment=NAME``) of which a part is replaced: what it said of that part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from genlab.config.keys import split
from genlab.config.signature import locate, signature

__all__ = ["drop_replaced"]


def drop_replaced(config: DictConfig, runtime: DictConfig, overrides: Sequence[str]) -> None:
    """Leave out what a recipe sets of a part, where the one that replaces it has no such key.

    ``experiment=pinn_sharp_peak sampler=sobol``: the recipe's ``sampler.candidates`` is for the
    samplers that look at the residual.

    Args:
        config: A composed configuration; changed in place.
        runtime: Hydra's node ``runtime``: the choices, and where options are found.
        overrides: What the user set.
    """
    recipe = _recipe(runtime)
    chosen = {split(word)[0] for word in overrides}
    for group in chosen & recipe.keys():
        node = config.get(group)
        if not isinstance(node, DictConfig) or node.get("_target_") is None:
            continue
        takes = signature(locate(group, node._target_))
        with open_dict(config):
            for key in recipe[group].keys() & node.keys() - takes.parameters.keys():
                if not takes.open and f"{group}.{key}" not in chosen:
                    del node[key]


def _recipe(runtime: DictConfig) -> Mapping[str, Any]:
    """The sections of the recipe that is taken."""
    name = runtime.choices.get("experiment")
    folders = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    files = (folder / "experiment" / f"{name}.yaml" for folder in folders)
    for file in files:
        if file.is_file():
            recipe = OmegaConf.load(file)
            return {str(key): node for key, node in recipe.items() if isinstance(node, DictConfig)}
    return {}
