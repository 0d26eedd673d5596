"""Collocation samplers: where the residual of a PDE is looked at."""

from genlab.samplers.sampler import Indicator, Points, Sampler
from genlab.samplers.uniform import Uniform

__all__ = ["Indicator", "Points", "Sampler", "Uniform"]
