"""What a configuration only names, written out or built: other options, other runs and sections."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from genlab.config.build import build
from genlab.config.compose import compose
from genlab.config.stored import plain, read_config
from genlab.config.targets import locate
from genlab.errors import UserError
from genlab.models import FlowMatching
from genlab.runs.find import resolve
from genlab.signature import signature

__all__ = ["asked_for", "describe"]


def describe(config: DictConfig) -> None:
    """Write out what a configuration names, as the record of its run has it.

    That is the target that a flow starts from, where ``model.source`` names one, and the problem
    and the network of the solve that ``data.run`` names.

    Args:
        config: A checked configuration, whose source is known; changed in place.

    Raises:
        UserError: There is no such solve, or no target behind the source.
    """
    if config.model is not None and config.command == "train":
        _describe_source(config)
    if config.data.get("run") is not None:
        _describe_solve(config)


def asked_for(config: DictConfig, key: str) -> dict[str, Any]:
    """What the object of a section takes from others: a parameter that has a section's name.

    So ``data=pinn_residual`` takes the network of the section ``pinn``, and that its ``problem``.

    Args:
        config: A checked configuration.
        key: The section.

    Returns:
        The objects of the sections that it needs and does not describe itself, by name.
    """
    takes = signature(locate(key, config[key]._target_)).parameters
    needed = [name for name, taken in takes.items() if taken.required and name not in config[key]]
    return {name: build(config, name, **asked_for(config, name)) for name in needed}


def _describe_source(config: DictConfig) -> None:
    source = config.model.get("source")
    if isinstance(source, str) and source not in FlowMatching.sources:
        config.model.source = _source(source, list(config.model.event_shape))


def _source(name: str, event_shape: list[int]) -> dict[str, Any]:
    """The description of the density that an option of ``data`` stands for.

    Args:
        name: The option.
        event_shape: Shape of the samples; it sets ``data.dim`` where the target has that key.

    Raises:
        UserError: There is no target behind it.
    """
    data = plain(compose("train", [f"data={name}"]))["data"]
    if "dim" in data and len(event_shape) == 1:
        data = plain(compose("train", [f"data={name}", f"data.dim={event_shape[0]}"]))["data"]
    if "target" not in data:
        raise UserError(f"model.source={name}: data without a density; choose a target")
    return {"_target_": "genlab.data.TargetDensity", "name": name, "target": data["target"]}


def _describe_solve(config: DictConfig) -> None:
    run = config.data.run
    solved = read_config(resolve(run))
    if solved.command != "solve":
        raise UserError(f"data.run={run}: not a run of `genlab solve`")
    for part in ("problem", "pinn"):
        config[part] = solved[part]
        config.choices[part] = solved.choices[part]
