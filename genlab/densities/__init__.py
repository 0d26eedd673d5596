"""The contract of a density, and base densities."""

from genlab.densities.cylinder import Cylinder
from genlab.densities.density import Density, Likelihood
from genlab.densities.normal import StandardNormal

__all__ = ["Cylinder", "Density", "Likelihood", "StandardNormal"]
