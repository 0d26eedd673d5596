"""From a configuration to objects, from objects to a run."""

from genlab.assembly.entry import experiment, from_config, load
from genlab.assembly.replicas import Replicas, alone
from genlab.assembly.solve import Solve
from genlab.assembly.source import describe_source
from genlab.assembly.training import Experiment

__all__ = [
    "Experiment",
    "Replicas",
    "Solve",
    "alone",
    "describe_source",
    "experiment",
    "from_config",
    "load",
]
