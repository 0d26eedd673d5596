"""Dropout, which keeps a network from learning a small set by heart."""

from __future__ import annotations

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bounds import Bound
from genlab.errors import ArgumentError

__all__ = ["Dropout", "Rate", "refuse_dropout"]

Rate = Annotated[float, Bound(0.0, 1.0, open_high=True)]
"""A probability below 1."""


class Dropout(nn.Dropout):
    """``h -> h m / (1 - p)`` in training, each ``m`` 0 with probability p and else 1.

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    Unlike torch's it draws by ``rand``, as a compiled step can.

    >>> h = Dropout(0.25)(torch.ones(1000, 100))
    >>> abs(h.mean() - 1) < 0.01, h.unique().numel()
    (tensor(True), 2)
    >>> Dropout(0.25).eval()(torch.ones(2))
    tensor([1., 1.])

    Args:
        p: Probability that a number is left out.
    """

    def __init__(self, p: Rate) -> None:
        super().__init__(p)

    def forward(self, h: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        if not (self.training and self.p):
            return h
        return torch.where(torch.rand_like(h) < self.p, 0.0, h / (1 - self.p))


def refuse_dropout(velocity: nn.Module) -> None:
    """Refuse dropout where a solver is followed in training: all its stages take one velocity.

    Raises:
        ArgumentError: There is some.
    """
    for layer in velocity.modules():
        if isinstance(layer, nn.Dropout) and layer.p:
            raise ArgumentError(
                f"network.dropout={layer.p:g}: a solver follows one velocity, which dropout "
                "changes at each of its stages in training; expected 0, or evaluation mode"
            )
