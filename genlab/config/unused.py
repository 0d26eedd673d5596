"""What a configuration chooses for whoever has a use for it, and nobody has: it is left out.

An objective may do without an optimiser or a schedule, and a kind of data may name a network for
families that have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from genlab.config.keys import split
from genlab.config.signature import locate, signature
from genlab.errors import UserError

__all__ = ["OPTIONAL", "drop_unused"]

OPTIONAL = ("optimizer", "schedule")


def drop_unused(config: DictConfig, overrides: Sequence[str]) -> None:
    """Leave out parts that the model does not take, and sections that the objective does not.

    Args:
        config: A composed configuration, ``choices`` filled; changed in place.
        overrides: What the user set: no part of it is left out in silence.

    Raises:
        UserError: The user set something in a section that nothing reads.
    """
    _drop_parts(config, overrides)
    _drop_sections(config, overrides)


def _drop_parts(config: DictConfig, overrides: Sequence[str]) -> None:
    model = _target(config, "model")
    if model is None or signature(model).open:
        return
    chosen = {split(word)[0] for word in overrides}
    for group in config.choices.keys() - chosen:
        part = OmegaConf.select(config, f"model.{group}", throw_on_resolution_failure=False)
        if part is None:
            continue
        with open_dict(config):
            if not isinstance(part, DictConfig):  # the model's own key, of the same name
                del config.choices[group]
            elif group not in signature(model).parameters:
                del config.model[group], config.choices[group]


def _drop_sections(config: DictConfig, overrides: Sequence[str]) -> None:
    learner = _target(config, "objective")
    if learner is None:
        return
    for section in OPTIONAL:
        if section in signature(learner).parameters or section not in config:
            continue
        for word in overrides:
            if split(word)[0].partition(".")[0] == section:
                raise UserError(f"{word}: nothing uses it; {learner.__name__} has no {section}")
        config[section] = None


def _target(config: DictConfig, section: str) -> Any:
    """What the section describes; None where that is for the check to tell."""
    path = OmegaConf.select(config, f"{section}._target_", throw_on_resolution_failure=False)
    return None if path is None else locate(section, path)
