"""The model families, one a file, in plain torch."""

from genlab.models.flow import Flow
from genlab.models.gmm import GMM
from genlab.models.krnet import KRNet
from genlab.models.nice import NICE
from genlab.models.nsf import NSF
from genlab.models.realnvp import RealNVP
from genlab.models.resflow import ResFlow
from genlab.models.vae import VAE

__all__ = ["GMM", "NICE", "NSF", "VAE", "Flow", "KRNet", "RealNVP", "ResFlow"]
