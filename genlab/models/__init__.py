"""The model families, one a file, in plain torch."""

from genlab.models.flow import Flow
from genlab.models.nice import NICE
from genlab.models.nsf import NSF
from genlab.models.realnvp import RealNVP

__all__ = ["NICE", "NSF", "Flow", "RealNVP"]
