"""The model families, one a file, in plain torch."""

from genlab.models.cnf import CNF
from genlab.models.continuous import ContinuousFlow
from genlab.models.flow import Flow
from genlab.models.flow_matching import FlowMatching
from genlab.models.gmm import GMM
from genlab.models.krnet import KRNet
from genlab.models.nice import NICE
from genlab.models.nsf import NSF, AutoregressiveNSF, CircularNSF, neural_spline_flow
from genlab.models.realnvp import RealNVP
from genlab.models.resflow import ResFlow
from genlab.models.vae import VAE

__all__ = [
    "CNF",
    "GMM",
    "NICE",
    "NSF",
    "VAE",
    "AutoregressiveNSF",
    "CircularNSF",
    "ContinuousFlow",
    "Flow",
    "FlowMatching",
    "KRNet",
    "RealNVP",
    "ResFlow",
    "neural_spline_flow",
]
