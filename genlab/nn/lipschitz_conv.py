"""Convolutions whose norm, as operators on images of a given size, stays below a bound."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from genlab.nn.lipschitz import LipschitzLayer, Spectrum

__all__ = ["LipschitzConv2d"]


class LipschitzConv2d(LipschitzLayer):
    """Convolutions of stride 1, zero-padded so that images keep their size.

    The norm is that of the operator on images of that size, not that of the reshaped kernel, which
    may be far smaller (Gouk et al., 2018, section 4.2).

    Args:
        stack: Number of convolutions.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        size: Height and width of the images.
        kernel_size: Side of the kernel, odd.
        coefficient: The bound on the norm.
        scale: Factor on the start, a random orthogonal kernel.

    Raises:
        ValueError: The side of the kernel is even.
    """

    def __init__(
        self,
        stack: int,
        in_channels: int,
        out_channels: int,
        *,
        size: tuple[int, int],
        kernel_size: int,
        coefficient: float,
        scale: float = 1.0,
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: expected an odd number, got {kernel_size}")
        weight = torch.empty(stack, out_channels, in_channels, kernel_size, kernel_size)
        for kernel in weight:
            nn.init.orthogonal_(kernel, gain=scale)
        super().__init__(
            weight,
            inputs=(in_channels, *size),
            outputs=(out_channels, *size),
            coefficient=coefficient,
        )
        self.padding = kernel_size // 2

    def affine(
        self, x: Float[Tensor, "n i h w"], weight: Float[Tensor, "o i k k"], bias: Tensor | None
    ) -> Float[Tensor, "n o h w"]:
        return F.conv2d(x, weight, bias, padding=self.padding)

    def multiply(
        self, x: Float[Tensor, "stack n i h w"], weight: Float[Tensor, "stack o i k k"]
    ) -> Float[Tensor, "stack n o h w"]:
        y = F.conv2d(_side_by_side(x), weight.flatten(0, 1), padding=self.padding, groups=len(x))
        return _apart(y, len(x))

    def multiply_transposed(
        self, y: Float[Tensor, "stack n o h w"], weight: Float[Tensor, "stack o i k k"]
    ) -> Float[Tensor, "stack n i h w"]:
        x = F.conv_transpose2d(
            _side_by_side(y), weight.flatten(0, 1), padding=self.padding, groups=len(y)
        )
        return _apart(x, len(y))

    def sensitivity(self, spectrum: Spectrum) -> Float[Tensor, "stack o i k k"]:
        stack, outputs, *kernel = self.weight.shape
        gradient: Tensor = conv2d_weight(
            _side_by_side(spectrum.v),
            [stack * outputs, *kernel],
            _side_by_side(spectrum.u),
            padding=self.padding,
            groups=stack,
        )
        return gradient.view_as(self.weight)

    def extra_repr(self) -> str:
        stack, outputs, inputs, side, _ = self.weight.shape
        height, width = self.v.shape[-2:]
        return (
            f"{stack} x ({inputs}, {outputs}), {side}x{side} on {height}x{width}, "
            f"coefficient={self.coefficient:.4g}"
        )


def _side_by_side(x: Float[Tensor, "stack n c h w"]) -> Float[Tensor, "n stack_c h w"]:
    """The stack as groups of channels."""
    return x.transpose(0, 1).flatten(1, 2)


def _apart(x: Float[Tensor, "n stack_c h w"], stack: int) -> Float[Tensor, "stack n c h w"]:
    groups: Tensor = x.unflatten(1, (stack, -1))
    return groups.transpose(0, 1)
