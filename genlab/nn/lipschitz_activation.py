"""Smooth activations of Lipschitz constant 1, with their slopes.

A residual flow's log-determinant depends on the slopes, so its gradient on the second derivatives:
those of ReLU vanish, and half of what the loss says with them (Chen et al., "Residual flows for
invertible generative modeling", 2019, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genlab.nn.plain import forward_mode

__all__ = ["LIPSCHITZ_ACTIVATIONS", "LipschitzActivation", "Smooth", "lipswish", "sine"]

LipschitzActivation = Literal["sine", "lipswish"]

Values = Float[Tensor, "*shape"]


class Smooth(NamedTuple):
    """An activation of Lipschitz constant 1.

    Attributes:
        value: ``s(x)``.
        with_slope: ``s(x)`` and ``s'(x)``.
    """

    value: Callable[[Values], Values]
    with_slope: Callable[[Values], tuple[Values, Values]]


def sine(x: Values) -> tuple[Values, Values]:
    """``sin x`` and its slope ``cos x``, in [-1, 1]."""
    return _value_and_slope(_Sine, x)


def lipswish(x: Values) -> tuple[Values, Values]:
    """``x sigmoid(x) / 1.1`` and its slope, in [-0.091, 0.99986] (Chen et al., 2019, equation 9).

    The paper's factor on the argument, ``x sigmoid(b x) / 1.1``, is the sharpness of the network.
    """
    return _value_and_slope(_LipSwish, x)


def _value_and_slope(fused: type[_Sine | _LipSwish], x: Values) -> tuple[Values, Values]:
    apply: Callable[[Values], tuple[Values, Values]] = fused.apply
    return fused.forward(x) if forward_mode() else apply(x)


LIPSCHITZ_ACTIVATIONS: dict[str, Smooth] = {
    "sine": Smooth(torch.sin, sine),
    "lipswish": Smooth(lambda x: F.silu(x) / 1.1, lipswish),
}


class _Sine(torch.autograd.Function):
    """The backward pass needs no sine and no cosine: both are there."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sin(x), torch.cos(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, to_value: Tensor, to_slope: Tensor) -> Tensor:
        value, slope = ctx.saved_tensors
        return torch.addcmul(to_value * slope, to_slope, value, value=-1)


class _LipSwish(torch.autograd.Function):
    """With ``s = sigmoid(x)``: slope ``s (1 + x (1-s))``, curvature ``s (1-s) (2 + x (1-2s))``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        s = torch.sigmoid(x)
        value = x * s
        slope = torch.addcmul(s, value, 1 - s)
        return value / 1.1, slope / 1.1

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, to_value: Tensor, to_slope: Tensor) -> Tensor:
        x, slope = ctx.saved_tensors
        s = torch.sigmoid(x)
        curvature = s * (1 - s) / 1.1 * (2 + x * (1 - 2 * s))
        return torch.addcmul(to_value * slope, to_slope, curvature)
