"""The model families, one a file, in plain torch."""

from genlab.models.cnf import CNF
from genlab.models.continuous import ContinuousFlow
from genlab.models.flow import Flow
from genlab.models.flow_matching import FlowMatching
from genlab.models.nice import NICE
from genlab.models.realnvp import RealNVP

__all__ = ["CNF", "NICE", "ContinuousFlow", "Flow", "FlowMatching", "RealNVP"]
