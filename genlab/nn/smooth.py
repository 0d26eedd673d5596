"""Smooth nonlinearities with their slopes, and a smooth bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "IN_PLACE",
    "SMOOTH",
    "SmoothActivation",
    "soft_clamp",
    "three_derivatives",
    "value_and_slope",
]


def soft_clamp(x: Float[Tensor, "*shape"], bound: float) -> Float[Tensor, "*shape"]:
    """``b tanh(x / b)``: the identity near 0, within ``[-b, b]`` everywhere."""
    return torch.tanh(x / bound) * bound


SmoothActivation = Literal["silu", "tanh", "softplus", "gelu"]

SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "gelu": F.gelu,
}

IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    **SMOOTH,
    "silu": partial(F.silu, inplace=True),
    "tanh": torch.tanh_,
}
"""The same, where numbers may be overwritten that nothing else needs."""


def value_and_slope(
    activation: SmoothActivation, x: Float[Tensor, "*shape"]
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """``s(x)`` and ``s'(x)``, at the cost of little more than one of them."""
    if activation == "silu":
        gate = torch.sigmoid(x)
        value = x * gate
        return value, gate * (1 + x - value)
    if activation == "tanh":
        value = torch.tanh(x)
        return value, 1 - value.square()
    if activation == "softplus":
        return F.softplus(x), torch.sigmoid(x)
    below = 0.5 + 0.5 * torch.erf(x * math.sqrt(0.5))
    density = torch.exp(-0.5 * x.square()) * (1 / math.sqrt(2 * math.pi))
    return x * below, below + x * density


def three_derivatives(
    activation: SmoothActivation, x: Float[Tensor, "*shape"]
) -> tuple[
    Float[Tensor, "*shape"],
    Float[Tensor, "*shape"],
    Float[Tensor, "*shape"],
    Float[Tensor, "*shape"],
]:
    """The value ``s(x)``, and the first, second and third derivative there."""
    if activation == "tanh":
        value = torch.tanh(x)
        slope = 1 - value.square()
        return value, slope, -2 * value * slope, slope * (4 - 6 * slope)
    if activation == "gelu":
        value, slope = value_and_slope(activation, x)
        density = torch.exp(-0.5 * x.square()) * (1 / math.sqrt(2 * math.pi))
        return value, slope, density * (2 - x.square()), density * x * (x.square() - 4)
    # The logistic function and its derivatives make up both others.
    gate = torch.sigmoid(x)
    first = gate * (1 - gate)
    second = first * (1 - 2 * gate)
    third = first * (1 - 6 * first)
    if activation == "softplus":
        return F.softplus(x), gate, first, second
    return x * gate, gate + x * first, 2 * first + x * second, 3 * second + x * third
