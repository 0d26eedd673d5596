"""How a family learns inside Lightning."""

from genlab.learning.elbo import ELBO
from genlab.learning.expectation_maximisation import ExpectationMaximisation
from genlab.learning.flow_matching import ConditionalFlowMatching
from genlab.learning.gradient import GradientLearner
from genlab.learning.learner import Learner
from genlab.learning.maximum_likelihood import MaximumLikelihood
from genlab.learning.mixture_descent import MixtureDescent
from genlab.learning.regularised_likelihood import RegularisedLikelihood
from genlab.learning.reverse_kl import ReverseKL
from genlab.learning.settings import TrainerSettings

__all__ = [
    "ELBO",
    "ConditionalFlowMatching",
    "ExpectationMaximisation",
    "GradientLearner",
    "Learner",
    "MaximumLikelihood",
    "MixtureDescent",
    "RegularisedLikelihood",
    "ReverseKL",
    "TrainerSettings",
]
