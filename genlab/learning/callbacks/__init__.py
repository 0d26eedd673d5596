"""What runs beside the training."""

from genlab.learning.callbacks.checkpoints import Checkpoints
from genlab.learning.callbacks.curves import Curves
from genlab.learning.callbacks.divergence import Divergence
from genlab.learning.callbacks.figures import DensityImages
from genlab.learning.callbacks.patience import Patience
from genlab.learning.callbacks.progress import ProgressBar
from genlab.learning.callbacks.scalars import Scalars
from genlab.learning.callbacks.signals import StopOnSignal

__all__ = [
    "Checkpoints",
    "Curves",
    "DensityImages",
    "Divergence",
    "Patience",
    "ProgressBar",
    "Scalars",
    "StopOnSignal",
]
