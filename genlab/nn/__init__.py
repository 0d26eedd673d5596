"""Networks."""

from genlab.nn.active_scalar import ActiveScalar
from genlab.nn.angles import AngleFeatures, Periodic, periodic, squared_turns, wrap, wrap_columns
from genlab.nn.concat_squash import ConcatSquashMLP
from genlab.nn.constants import Constants
from genlab.nn.context import ContextEncoder
from genlab.nn.conv import ConvNet, GridNet
from genlab.nn.image_velocity import ImageVelocity
from genlab.nn.linearisation import Linearisation
from genlab.nn.lipschitz import LipschitzConv2d, LipschitzLayer, LipschitzLinear
from genlab.nn.lipschitz_network import (
    LipschitzActivation,
    LipschitzConvNet,
    LipschitzMLP,
    LipschitzNetwork,
)
from genlab.nn.masked_mlp import MaskedMLP
from genlab.nn.mlp import MLP, Activation
from genlab.nn.padding import Padding
from genlab.nn.periodic_velocity import PeriodicVelocity, on_circles
from genlab.nn.precision import full_precision, output_of, unrounded
from genlab.nn.residual_conv import ResidualConvNet
from genlab.nn.residual_mlp import ResidualMLP
from genlab.nn.smooth import SmoothActivation, soft_clamp
from genlab.nn.solenoidal import Solenoidal
from genlab.nn.spectral import SpectralNet
from genlab.nn.unet import UNet
from genlab.nn.velocity import Velocity, VelocityFactory

__all__ = [
    "MLP",
    "Activation",
    "ActiveScalar",
    "AngleFeatures",
    "ConcatSquashMLP",
    "Constants",
    "ContextEncoder",
    "ConvNet",
    "GridNet",
    "ImageVelocity",
    "Linearisation",
    "LipschitzActivation",
    "LipschitzConv2d",
    "LipschitzConvNet",
    "LipschitzLayer",
    "LipschitzLinear",
    "LipschitzMLP",
    "LipschitzNetwork",
    "MaskedMLP",
    "Padding",
    "Periodic",
    "PeriodicVelocity",
    "ResidualConvNet",
    "ResidualMLP",
    "SmoothActivation",
    "Solenoidal",
    "SpectralNet",
    "UNet",
    "Velocity",
    "VelocityFactory",
    "full_precision",
    "on_circles",
    "output_of",
    "periodic",
    "soft_clamp",
    "squared_turns",
    "unrounded",
    "wrap",
    "wrap_columns",
]
