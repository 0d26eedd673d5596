"""Metrics of a model, with standard errors. Figures are in `genlab.evaluation.figures`."""

from genlab.evaluation.c2st import c2st
from genlab.evaluation.calibration import Calibration, calibrate
from genlab.evaluation.distances import mmd, wasserstein2
from genlab.evaluation.ensembles import crps, spread_skill
from genlab.evaluation.estimate import Estimate, estimate_mean, estimate_of_means
from genlab.evaluation.fields import field_scores, field_statistics
from genlab.evaluation.importance import (
    effective_sample_size,
    log_partition,
    pareto_k,
    weighted_samples,
)
from genlab.evaluation.likelihood import kl, negative_log_likelihood
from genlab.evaluation.sampling import inverse_error, samples_per_second
from genlab.evaluation.suite import evaluate

__all__ = [
    "Calibration",
    "Estimate",
    "c2st",
    "calibrate",
    "crps",
    "effective_sample_size",
    "estimate_mean",
    "estimate_of_means",
    "evaluate",
    "field_scores",
    "field_statistics",
    "inverse_error",
    "kl",
    "log_partition",
    "mmd",
    "negative_log_likelihood",
    "pareto_k",
    "samples_per_second",
    "spread_skill",
    "wasserstein2",
    "weighted_samples",
]
