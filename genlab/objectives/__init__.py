"""Principles of learning, in plain torch."""

from genlab.objectives.couplings import Coupling, Independent, OptimalTransport, Sinkhorn
from genlab.objectives.flow_matching import flow_matching_loss
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.regularised_likelihood import regularised_likelihood

__all__ = [
    "Coupling",
    "Independent",
    "OptimalTransport",
    "Sinkhorn",
    "flow_matching_loss",
    "negative_log_likelihood",
    "regularised_likelihood",
]
