"""Principles of learning, in plain torch."""

from genlab.objectives.elbo import kl_by_dimension, negative_elbo, negative_iwae
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.mixture_fit import MixtureFit
from genlab.objectives.reverse_kl import anneal, log_weights, reverse_kl

__all__ = [
    "MixtureFit",
    "anneal",
    "kl_by_dimension",
    "log_weights",
    "negative_elbo",
    "negative_iwae",
    "negative_log_likelihood",
    "reverse_kl",
]
