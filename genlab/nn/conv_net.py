"""Convolutional networks between images of one size: the conditioners of couplings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from genlab.nn.conv import with_context
from genlab.nn.mlp import ACTIVATIONS, Activation

__all__ = ["ConvNet"]


class ConvNet(nn.Sequential):
    """Convolutions, of 3 x 3 pixels at both ends and of 1 x 1 between hidden layers.

    Spatial extent comes from the ends, depth from the cheap middle (Kingma, Dhariwal, "Glow", 2018,
    section 4). A context is given to every pixel, as constant channels beside the image's.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        hidden: Channels of the hidden layers; empty for one affine map.
        activation: Name of the nonlinearity.
        context_dim: Width of the context; 0 for none.
        zero_last: Start from the zero function, so that a map parametrised by the output starts as
            the identity.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        context_dim: int = 0,
        zero_last: bool = False,
    ) -> None:
        widths = [in_channels + context_dim, *hidden]
        layers: list[nn.Module] = []
        for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
            side = 1 if index else 3
            layers += [
                nn.Conv2d(fan_in, fan_out, kernel_size=side, padding=side // 2),
                ACTIVATIONS[activation](),
            ]
        last = nn.Conv2d(widths[-1], out_channels, kernel_size=3, padding=1)
        if zero_last:
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)
        super().__init__(*layers, last)

    def forward(
        self, x: Float[Tensor, "n i h w"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n o h w"]:
        x = with_context(x, context)
        for layer in self:
            x = layer(x)
        return x
