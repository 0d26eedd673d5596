"""Principles of learning, in plain torch: one `Objective` each, for learners and for samplers."""

from genlab.objectives.elbo import ELBO, kl_by_dimension, negative_elbo, negative_iwae
from genlab.objectives.em import EM, MixtureDescent
from genlab.objectives.flow_matching import FlowMatching, flow_matching_loss
from genlab.objectives.maximum_likelihood import (
    MaximumLikelihood,
    RegularisedLikelihood,
    negative_log_likelihood,
    regularised_likelihood,
)
from genlab.objectives.mixture_fit import MixtureFit
from genlab.objectives.objective import Objective
from genlab.objectives.pairing import Independent, OptimalTransport, Pairing, Sinkhorn
from genlab.objectives.reverse_kl import ReverseKL, anneal, log_weights, reverse_kl

__all__ = [
    "ELBO",
    "EM",
    "FlowMatching",
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
    "anneal",
    "flow_matching_loss",
    "kl_by_dimension",
    "log_weights",
    "negative_elbo",
    "negative_iwae",
    "negative_log_likelihood",
    "regularised_likelihood",
    "reverse_kl",
]
