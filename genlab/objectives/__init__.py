"""Principles of learning, in plain torch: one `Objective` each, for learners and for samplers."""

from genlab.objectives.elbo import ELBO, kl_by_dimension, negative_elbo, negative_iwae
from genlab.objectives.em import EM, MixtureDescent
from genlab.objectives.maximum_likelihood import (
    MaximumLikelihood,
    RegularisedLikelihood,
    negative_log_likelihood,
    regularised_likelihood,
)
from genlab.objectives.mixture_fit import MixtureFit
from genlab.objectives.objective import Objective
from genlab.objectives.own import own_objective
from genlab.objectives.pairing import Independent, OptimalTransport, Pairing, Sinkhorn
from genlab.objectives.passes import take_passes
from genlab.objectives.reverse_kl import ReverseKL, anneal, log_weights, reverse_kl
from genlab.objectives.velocity_regression import VelocityRegression, flow_matching_loss

__all__ = [
    "ELBO",
    "EM",
    "Independent",
    "MaximumLikelihood",
    "MixtureDescent",
    "MixtureFit",
    "Objective",
    "OptimalTransport",
    "Pairing",
    "RegularisedLikelihood",
    "ReverseKL",
    "Sinkhorn",
    "VelocityRegression",
    "anneal",
    "flow_matching_loss",
    "kl_by_dimension",
    "log_weights",
    "negative_elbo",
    "negative_iwae",
    "negative_log_likelihood",
    "own_objective",
    "regularised_likelihood",
    "reverse_kl",
    "take_passes",
]
