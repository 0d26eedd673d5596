"""What a configuration only names, written out: the record of a run stands by itself."""

from __future__ import annotations

from omegaconf import DictConfig

from genlab.config.sources import source_node
from genlab.config.stored import read_config
from genlab.errors import UserError
from genlab.models.flow_matching import SOURCES
from genlab.runs.find import resolve

__all__ = ["describe"]


def describe(config: DictConfig) -> None:
    """Write out what a configuration names, as the record of its run has it.

    That is the target that a flow starts from, where ``model.source`` names one, and the problem
    and the network of the solve that ``data.run`` names.

    Args:
        config: A checked configuration; changed in place.

    Raises:
        UserError: There is no such solve.
    """
    if config.model is not None and config.command == "train":
        _describe_source(config)
    if config.data.get("run") is not None:
        _describe_solve(config)


def _describe_source(config: DictConfig) -> None:
    source = config.model.get("source")
    if isinstance(source, str) and source not in SOURCES:
        config.model.source = source_node(source, config.model.event_shape, SOURCES)


def _describe_solve(config: DictConfig) -> None:
    run = config.data.run
    solved = read_config(resolve(run))
    if solved.command != "solve":
        raise UserError(f"data.run={run}: not a run of `genlab solve`")
    for part in ("problem", "pinn"):
        config[part] = solved[part]
        config.choices[part] = solved.choices[part]
