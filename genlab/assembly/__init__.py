"""From a configuration to objects, from objects to a run."""

from genlab.assembly.entry import experiment, from_config, load
from genlab.assembly.solve import Solve
from genlab.assembly.training import Experiment

__all__ = ["Experiment", "Solve", "experiment", "from_config", "load"]
