"""Networks."""

from genlab.nn.context import ContextEncoder
from genlab.nn.mlp import MLP, Activation
from genlab.nn.soft_clamp import soft_clamp

__all__ = ["MLP", "Activation", "ContextEncoder", "soft_clamp"]
