"""A recipe or a preset of which the user replaces a part: what it said of that part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from genlab.config.keys import split
from genlab.config.parts import place
from genlab.config.signature import locate, signature

__all__ = ["drop_replaced", "drop_untaken"]

SAYING = ("experiment", "preset")
GLOBAL = ("", "_global_")


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
    said = _said(runtime)
    for where in {place(split(word)[0]) for word in overrides}:
        part = OmegaConf.select(said, where, throw_on_resolution_failure=False)
        if isinstance(part, DictConfig):
            drop_untaken(config, where, part.keys(), overrides)


def drop_untaken(
    config: DictConfig, where: str, keys: Collection[Any], overrides: Sequence[str]
) -> None:
    """Leave out those keys of a section that its object does not take, save what the user set."""
    node = OmegaConf.select(config, where, throw_on_resolution_failure=False)
    if not isinstance(node, DictConfig) or node.get("_target_") is None:
        return
    takes = signature(locate(where, node._target_))
    chosen = {split(word)[0] for word in overrides}
    with open_dict(config):
        for key in {*keys} & node.keys() - takes.parameters.keys() - {"_target_"}:
            if not takes.open and f"{where}.{key}" not in chosen:
                del node[key]


def _said(runtime: DictConfig) -> Any:
    """What the recipe that is taken says, and the preset of what is chosen."""
    folders = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    said: Any = OmegaConf.create()
    for chosen, option in runtime.choices.items():
        group, _, package = chosen.partition("@")
        if group.partition("/")[0] in SAYING:
            files = [folder / group / f"{option}.yaml" for folder in folders]
            text: Any = next((OmegaConf.load(file) for file in files if file.is_file()), {})
            said = OmegaConf.merge(said, text if package in GLOBAL else {package: text})
    return said
