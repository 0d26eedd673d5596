"""How good a model is: metrics with standard errors. Figures are in `genlab.evaluation.figures`."""

from genlab.evaluation.discrepancy import mmd
from genlab.evaluation.estimate import Estimate, estimate_mean
from genlab.evaluation.importance import effective_sample_size, log_partition, weighted_samples
from genlab.evaluation.inversion import inverse_error
from genlab.evaluation.likelihood import kl, negative_log_likelihood
from genlab.evaluation.solver_error import solver_error
from genlab.evaluation.speed import samples_per_second
from genlab.evaluation.suite import evaluate
from genlab.evaluation.trajectories import straightness
from genlab.evaluation.wasserstein import wasserstein2

__all__ = [
    "Estimate",
    "effective_sample_size",
    "estimate_mean",
    "evaluate",
    "inverse_error",
    "kl",
    "log_partition",
    "mmd",
    "negative_log_likelihood",
    "samples_per_second",
    "solver_error",
    "straightness",
    "wasserstein2",
    "weighted_samples",
]
