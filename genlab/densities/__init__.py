"""The contract of a density, base densities, and the mathematics of Gaussian mixtures."""

from genlab.densities.cylinder import Cylinder
from genlab.densities.density import Density, Likelihood
from genlab.densities.logistic import StandardLogistic
from genlab.densities.low_rank import LowRankMixtures
from genlab.densities.mixture_parameters import AnyMixtures, MixtureParameters
from genlab.densities.mixtures import Covariance, Mixtures
from genlab.densities.normal import StandardNormal
from genlab.densities.observation import Bernoulli, DiscretisedLogistic, Gaussian, Observation
from genlab.densities.uniform import Uniform

__all__ = [
    "AnyMixtures",
    "Bernoulli",
    "Covariance",
    "Cylinder",
    "Density",
    "DiscretisedLogistic",
    "Gaussian",
    "Likelihood",
    "LowRankMixtures",
    "MixtureParameters",
    "Mixtures",
    "Observation",
    "StandardLogistic",
    "StandardNormal",
    "Uniform",
]
