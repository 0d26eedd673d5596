"""Networks."""

from genlab.nn.concat_squash import ConcatSquashMLP
from genlab.nn.context import ContextEncoder
from genlab.nn.mlp import MLP, Activation
from genlab.nn.residual_mlp import ResidualMLP
from genlab.nn.smooth import SmoothActivation
from genlab.nn.soft_clamp import soft_clamp
from genlab.nn.unet import UNet
from genlab.nn.velocity import Velocity, VelocityFactory

__all__ = [
    "MLP",
    "Activation",
    "ConcatSquashMLP",
    "ContextEncoder",
    "ResidualMLP",
    "SmoothActivation",
    "UNet",
    "Velocity",
    "VelocityFactory",
    "soft_clamp",
]
