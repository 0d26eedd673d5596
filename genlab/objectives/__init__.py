"""Principles of learning, in plain torch."""

from genlab.objectives.couplings import Coupling, Independent, OptimalTransport, Sinkhorn
from genlab.objectives.elbo import kl_by_dimension, negative_elbo, negative_iwae
from genlab.objectives.flow_matching import flow_matching_loss
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.mixture_fit import MixtureFit
from genlab.objectives.regularised_likelihood import regularised_likelihood
from genlab.objectives.reverse_kl import anneal, log_weights, reverse_kl

__all__ = [
    "Coupling",
    "Independent",
    "MixtureFit",
    "OptimalTransport",
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
