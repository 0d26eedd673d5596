"""The contract of a density, and base densities."""

from genlab.densities.density import Density, Likelihood
from genlab.densities.normal import StandardNormal
from genlab.densities.uniform import Uniform

__all__ = ["Density", "Likelihood", "StandardNormal", "Uniform"]
