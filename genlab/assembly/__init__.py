"""From a configuration to objects, from objects to a run."""

from genlab.assembly.description import describe
from genlab.assembly.entry import experiment, from_config, load
from genlab.assembly.export import Exported
from genlab.assembly.images import DensityImages
from genlab.assembly.replicas import Replicas, alone, replica_directory
from genlab.assembly.run import Run
from genlab.assembly.solve import Solve
from genlab.assembly.training import Training

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
