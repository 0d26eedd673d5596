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
    VonMises,
)
from genlab.densities.wrapped_mixtures import WrappedMixtures
from genlab.densities.wrapped_normal import WrappedNormal

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
    "StandardLogistic",
    "StandardNormal",
    "StandardUniform",
    "VonMises",
    "WrappedMixtures",
    "WrappedNormal",
]
