"""The contract of a density, and base densities."""

from genlab.densities.cylinder import Cylinder
from genlab.densities.density import Density, Likelihood
from genlab.densities.logistic import StandardLogistic
from genlab.densities.normal import StandardNormal
from genlab.densities.observation import Bernoulli, DiscretisedLogistic, Gaussian, Observation

__all__ = [
    "Bernoulli",
    "Cylinder",
    "Density",
    "DiscretisedLogistic",
    "Gaussian",
    "Likelihood",
    "Observation",
    "StandardLogistic",
    "StandardNormal",
]
