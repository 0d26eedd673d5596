"""The target that a flow starts from, where a configuration names one."""

from __future__ import annotations

from omegaconf import DictConfig

from genlab.config import source_node
from genlab.models.flow_matching import SOURCES

__all__ = ["describe_source"]


def describe_source(config: DictConfig) -> None:
    """Put a target in the place of its name, so that a run can be read without these configs.

    Args:
        config: Changed in place.
    """
    source = config.model.get("source")
    if isinstance(source, str) and source not in SOURCES:
        config.model.source = source_node(source, config.model.event_shape, SOURCES)
