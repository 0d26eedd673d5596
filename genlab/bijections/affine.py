"""The scalar map of RealNVP."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.scalar_map import ScalarMap
from genlab.nn.soft_clamp import soft_clamp

__all__ = ["Affine"]


class Affine(ScalarMap):
    """``z = x exp(w) + t`` with a bounded log-scale ``w`` (Dinh et al., "RealNVP", 2017, equation 8).

    Args:
        max_log_scale: Bound on ``|w|``, approached smoothly.
    """

    n_parameters = 2

    def __init__(self, *, max_log_scale: float = 3.0) -> None:
        super().__init__()
        self.max_log_scale = max_log_scale

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        raw, t = parameters.unbind(1)
        w = soft_clamp(raw, self.max_log_scale)
        return torch.addcmul(t, x, w.exp()), w

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        raw, t = parameters.unbind(1)
        w = soft_clamp(raw, self.max_log_scale)
        return (z - t) * w.neg().exp(), -w

    def extra_repr(self) -> str:
        return f"max_log_scale={self.max_log_scale:g}"
