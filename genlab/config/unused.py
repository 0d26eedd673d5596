"""Sections that nothing would read: an optimiser that an objective lacks, a model without use."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf, open_dict

from genlab.config.keys import split
from genlab.config.signature import Signature, locate, signature
from genlab.errors import UserError

__all__ = ["OPTIONAL", "drop_unused"]

OPTIONAL = ("optimizer", "schedule")
# What a choice of the model brings along: the way to learn it, where no sampler does, and parts.
OF_THE_MODEL = ("model", "network", "path", "solver")


def drop_unused(config: DictConfig, overrides: Sequence[str]) -> None:
    """Set to null the sections that nothing reads.

    These are the optimiser and the schedule of an objective that takes none, and the model of a
    sampler that learns none.

    Args:
        config: A composed configuration; changed in place.
        overrides: What the user set.

    Raises:
        UserError: The user set something in such a section.
    """
    if config.command == "solve":
        _drop_of_solve(config, overrides)
    elif (learner := _takes(config, "objective")) is not None:
        name, takes = learner
        for section in OPTIONAL:
            if section not in takes.parameters and section in config:
                _refuse((section,), overrides, f"{name} has no {section}")
                config[section] = None


def _drop_of_solve(config: DictConfig, overrides: Sequence[str]) -> None:
    _refuse(("objective", "coupling"), overrides, "sampler.fit says how a model is taught")
    with open_dict(config):
        # A family brings its own along.
        for section in ("objective", "coupling"):
            config.pop(section, None)
            config.choices.pop(section, None)
        if (sampler := _takes(config, "sampler")) is None:
            return
        name, takes = sampler
        if "model" not in takes.parameters:
            _refuse((*OF_THE_MODEL, "sampler.fit"), overrides, f"{name} learns no model")
            config.model = None
            config.sampler.pop("fit", None)
            for section in OF_THE_MODEL:
                config.choices.pop(section, None)


def _takes(config: DictConfig, section: str) -> tuple[str, Signature] | None:
    """The name and the parameters of what a section describes; None is for the check to tell."""
    target = OmegaConf.select(config, f"{section}._target_", throw_on_resolution_failure=False)
    if target is None:
        return None
    found = locate(section, target)
    return found.__name__, signature(found)


def _refuse(sections: Sequence[str], overrides: Sequence[str], reason: str) -> None:
    for word in overrides:
        key = split(word)[0]
        if any(key == section or key.startswith(f"{section}.") for section in sections):
            raise UserError(f"{word}: nothing uses it; {reason}")
