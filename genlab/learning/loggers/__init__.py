"""Where the scalars, figures and settings of a run go besides TensorBoard.

A logger of any of these takes part in a run as one of Lightning's does, and is told what
`RunLogger` names: the run's folder, its title, its settings, and the step that it goes on from.
Their libraries are imported when a run begins, not before.
"""

from genlab.learning.loggers.csv_table import CSV
from genlab.learning.loggers.mlflow import MLflow
from genlab.learning.loggers.run_logger import RunLogger, logging_to
from genlab.learning.loggers.trackio import Trackio
from genlab.learning.loggers.wandb import WandB

__all__ = ["CSV", "MLflow", "RunLogger", "Trackio", "WandB", "logging_to"]
