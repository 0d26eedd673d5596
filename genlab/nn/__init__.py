"""Networks."""

from genlab.nn.angles import (
    AngleFeatures,
    Periodic,
    periodic,
    squared_turns,
    wrap,
    wrap_columns,
)
from genlab.nn.concat_squash import ConcatSquashMLP
from genlab.nn.constants import Constants
from genlab.nn.context import ContextEncoder
from genlab.nn.conv import ConvNet
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
from genlab.nn.periodic_velocity import PeriodicVelocity, on_circles
from genlab.nn.precision import full_precision, output_of, unrounded
from genlab.nn.residual_mlp import ResidualMLP
from genlab.nn.smooth import SmoothActivation, soft_clamp
from genlab.nn.unet import UNet
from genlab.nn.velocity import Velocity, VelocityFactory

__all__ = [
    "MLP",
    "Activation",
    "AngleFeatures",
    "ConcatSquashMLP",
    "Constants",
    "ContextEncoder",
    "ConvNet",
    "Linearisation",
    "LipschitzActivation",
    "LipschitzConv2d",
    "LipschitzConvNet",
    "LipschitzLayer",
    "LipschitzLinear",
    "LipschitzMLP",
    "LipschitzNetwork",
    "MaskedMLP",
    "Periodic",
    "PeriodicVelocity",
    "ResidualMLP",
    "SmoothActivation",
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
