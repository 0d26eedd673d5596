"""How a family learns inside Lightning."""

from genlab.learning.flow_matching import ConditionalFlowMatching
from genlab.learning.gradient import GradientLearner
from genlab.learning.learner import Learner
from genlab.learning.maximum_likelihood import MaximumLikelihood
from genlab.learning.regularised_likelihood import RegularisedLikelihood
from genlab.learning.settings import TrainerSettings

__all__ = [
    "ConditionalFlowMatching",
    "GradientLearner",
    "Learner",
    "MaximumLikelihood",
    "RegularisedLikelihood",
    "TrainerSettings",
]
