"""Networks."""

from genlab.nn.angles import AngleFeatures, Periodic, wrap
from genlab.nn.context import ContextEncoder
from genlab.nn.masked_mlp import MaskedMLP
from genlab.nn.mlp import MLP, Activation
from genlab.nn.soft_clamp import soft_clamp

__all__ = [
    "MLP",
    "Activation",
    "AngleFeatures",
    "ContextEncoder",
    "MaskedMLP",
    "Periodic",
    "soft_clamp",
    "wrap",
]
