"""Principles of learning, in plain torch."""

from genlab.objectives.maximum_likelihood import negative_log_likelihood

__all__ = ["negative_log_likelihood"]
