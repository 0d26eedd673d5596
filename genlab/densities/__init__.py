"""The contract of a density, and base densities."""

from genlab.densities.density import Density, Likelihood
from genlab.densities.logistic import StandardLogistic
from genlab.densities.normal import StandardNormal

__all__ = ["Density", "Likelihood", "StandardLogistic", "StandardNormal"]
