"""The model families, one a file, in plain torch."""

from genlab.models.flow import Flow
from genlab.models.gmm import GMM
from genlab.models.nice import NICE
from genlab.models.realnvp import RealNVP

__all__ = ["GMM", "NICE", "Flow", "RealNVP"]
