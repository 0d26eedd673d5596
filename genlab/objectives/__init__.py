"""Principles of learning, in plain torch."""

from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.reverse_kl import anneal, log_weights, reverse_kl

__all__ = ["anneal", "log_weights", "negative_log_likelihood", "reverse_kl"]
