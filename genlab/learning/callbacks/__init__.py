"""What runs beside the training."""

from genlab.learning.callbacks.callback import LearnerCallback
from genlab.learning.callbacks.progress import ProgressBar
from genlab.learning.callbacks.records import Checkpoints, Curves, Scalars
from genlab.learning.callbacks.stopping import Divergence, Patience, Pruning, StopOnSignal

__all__ = [
    "Checkpoints",
    "Curves",
    "Divergence",
    "LearnerCallback",
    "Patience",
    "ProgressBar",
    "Pruning",
    "Scalars",
    "StopOnSignal",
]
