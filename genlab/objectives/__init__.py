"""Principles of learning, in plain torch."""

from genlab.objectives.elbo import kl_by_dimension, negative_elbo, negative_iwae
from genlab.objectives.maximum_likelihood import negative_log_likelihood

__all__ = ["kl_by_dimension", "negative_elbo", "negative_iwae", "negative_log_likelihood"]
