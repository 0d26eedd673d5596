"""From a configuration to objects, from objects to a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genlab.assembly.description import describe
from genlab.assembly.entry import experiment, from_config, load
from genlab.assembly.export import Exported
from genlab.assembly.images import DensityImages
from genlab.assembly.replicas import Replicas, alone, replica_directory
from genlab.assembly.run import Run
from genlab.assembly.training import Training

if TYPE_CHECKING:
    from genlab.assembly.solve import Solve

__all__ = [
    "DensityImages",
    "Exported",
    "Replicas",
    "Run",
    "Solve",
    "Training",
    "alone",
    "describe",
    "experiment",
    "from_config",
    "load",
    "replica_directory",
]


def __getattr__(name: str) -> Any:
    if name == "Solve":
        from genlab.assembly.solve import Solve

        return Solve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
