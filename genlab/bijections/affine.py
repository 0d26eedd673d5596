"""The scalar map of RealNVP."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bijections.scalar_map import ScalarMap

__all__ = ["Affine"]


class Affine(ScalarMap):
    """``z = x exp(w) + t`` with ``w = b tanh(raw)`` (Dinh et al., "RealNVP", 2017, equation 8).

    Unlike a soft clamp, ``b tanh(raw / b)``, this saves two passes over the data in each direction;
    that its slope at 0 is ``b`` only makes the scale learn a little faster.

    Args:
        max_log_scale: The bound ``b`` on ``|w|``.
    """

    n_parameters = 2

    def __init__(self, *, max_log_scale: float = 2.0) -> None:
        super().__init__()
        self.max_log_scale = max_log_scale

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        w, t = self._scale_and_shift(parameters)
        return torch.addcmul(t, x, w.exp()), w

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        w, t = self._scale_and_shift(parameters)
        return (z - t) * w.neg().exp(), -w

    def _scale_and_shift(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        raw, t = parameters.unbind(1)
        return torch.tanh(raw) * self.max_log_scale, t

    def extra_repr(self) -> str:
        return f"max_log_scale={self.max_log_scale:g}"
