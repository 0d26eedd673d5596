"""Sections that an objective may do without: an optimiser, a schedule."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from genlab.config.keys import split
from genlab.config.signature import locate, signature
from genlab.errors import UserError

__all__ = ["OPTIONAL", "drop_unused"]

OPTIONAL = ("optimizer", "schedule")


def drop_unused(config: DictConfig, overrides: Sequence[str]) -> None:
    """Set to null the sections that the objective does not take: nothing reads them.

    Args:
        config: A composed configuration; changed in place.
        overrides: What the user set.

    Raises:
        UserError: The user set something in such a section.
    """
    target = OmegaConf.select(config, "objective._target_", throw_on_resolution_failure=False)
    if target is None:  # for the check to tell
        return
    learner = locate("objective", target)
    for section in OPTIONAL:
        if section in signature(learner).parameters or section not in config:
            continue
        for word in overrides:
            if split(word)[0].partition(".")[0] == section:
                raise UserError(f"{word}: nothing uses it; {learner.__name__} has no {section}")
        config[section] = None
