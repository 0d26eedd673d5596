"""Principles of learning, in plain torch."""

from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.mixture_fit import MixtureFit

__all__ = ["MixtureFit", "negative_log_likelihood"]
