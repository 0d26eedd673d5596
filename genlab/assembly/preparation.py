"""What precedes a model: the target that it starts from, and the map from data units."""

from __future__ import annotations

from omegaconf import DictConfig

from genlab.bijections.bijection import Bijection
from genlab.bijections.inverse import Inverse
from genlab.config import source_node
from genlab.data.target_density import TargetDensity
from genlab.densities.density import Density
from genlab.models.flow_matching import SOURCES

__all__ = ["describe_source", "precede"]


def describe_source(config: DictConfig) -> None:
    """Put a target in the place of its name, so that a run can be read without these configs.

    Args:
        config: Changed in place.
    """
    source = config.model.get("source")
    if isinstance(source, str) and source not in SOURCES:
        config.model.source = source_node(source, config.model.event_shape, SOURCES)


def precede(model: Density, preprocessing: Bijection | None) -> None:
    """Let a model work behind a map from data units.

    Args:
        model: Changed in place.
        preprocessing: The map; None for none.
    """
    model.preprocessing = preprocessing
    source = getattr(model, "base", None)
    if preprocessing is not None and isinstance(source, TargetDensity):
        # A source has the units of its own data, the model works in preprocessed ones.
        source.preprocessing = Inverse(preprocessing)
