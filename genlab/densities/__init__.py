"""The contract of a density, base densities, and the mathematics of Gaussian mixtures."""

from genlab.densities.density import Density, Likelihood
from genlab.densities.mixture_parameters import MixtureParameters
from genlab.densities.mixtures import Covariance, Mixtures
from genlab.densities.normal import StandardNormal

__all__ = [
    "Covariance",
    "Density",
    "Likelihood",
    "MixtureParameters",
    "Mixtures",
    "StandardNormal",
]
