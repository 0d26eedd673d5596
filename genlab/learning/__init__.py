"""How a family learns inside Lightning, whatever it learns by.

Lightning is here for what it does best: devices and precisions, data-parallel training, loggers,
and the hooks of callbacks. Steps, checkpoints, progress and stopping are the learner's own, which
takes many steps to a batch of Lightning's: its loop costs more than a step on a small model.
What is learned, and by which loss, is an `genlab.objectives.Objective`.
"""

from genlab.learning.gradient import GradientLearner, ObjectiveLearner
from genlab.learning.learner import Learner
from genlab.learning.passes import PassLearner
from genlab.learning.settings import TrainerSettings

__all__ = ["GradientLearner", "Learner", "ObjectiveLearner", "PassLearner", "TrainerSettings"]
