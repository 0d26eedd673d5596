"""The contract of a density, base densities, and the mathematics of Gaussian mixtures."""

from genlab.densities.base import Cylinder, StandardLogistic, StandardNormal, StandardUniform
from genlab.densities.density import Density, Likelihood
from genlab.densities.mixture_parameters import AnyMixtures, MixtureParameters
from genlab.densities.mixtures import Covariance, LowRankMixtures, Mixtures
from genlab.densities.observation import (
    Bernoulli,
    DiscretisedLogistic,
    GaussianObservation,
    Observation,
)
from genlab.densities.solenoidal import SolenoidalNormal

__all__ = [
    "AnyMixtures",
    "Bernoulli",
    "Covariance",
    "Cylinder",
    "Density",
    "DiscretisedLogistic",
    "GaussianObservation",
    "Likelihood",
    "LowRankMixtures",
    "MixtureParameters",
    "Mixtures",
    "Observation",
    "SolenoidalNormal",
    "StandardLogistic",
    "StandardNormal",
    "StandardUniform",
]
