"""The Fourier-layer network that is a velocity of periodic fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.nn.image_velocity import ImageVelocity
from genlab.nn.smooth import SMOOTH, SmoothActivation
from genlab.nn.waves import SpectralFilter, Waves, highest_mode

__all__ = ["SpectralActivation", "SpectralNet"]

SpectralActivation = Literal["product"] | SmoothActivation

# The root mean square that a field is brought below.
REACH = 10.0


class SpectralNet(ImageVelocity):
    """``h <- h + V s(scale K h + shift)`` on waves, with a matrix in K for each wavenumber.

    A Fourier neural operator (Li et al., "Fourier neural operator for parametric partial
    differential equations", 2021): each layer sees the whole square. The velocity is ``K h + g x``;
    time and context say scales, shifts and g. With ``product``, s multiplies one half of its
    channels by the other, as the right-hand side of a fluid does a velocity by a gradient; others
    act number by number.

    s acts on a grid of 3/2 as many points, so that a product has no aliasing: it commutes with
    every translation, by parts of a point too. Fields enter by ``x / sqrt(1 + mean x^2 / R^2)``,
    and so a velocity has a bound far out, where a solver could not follow a polynomial.

    References: arXiv:2010.08895.

    >>> import genlab, torch
    >>> velocity = genlab.nn.SpectralNet((1, 9, 9), width=4)
    >>> velocity(torch.randn(5, 1, 9, 9), torch.tensor(0.5)).shape
    torch.Size([5, 1, 9, 9])

    Args:
        event_shape: Channels, height and width of a square field, or height and width of one
            without channels; waves beyond the highest whole wavenumber below the Nyquist frequency
            of an even side are scaled alone.
        width: Channels of the hidden layers.
        blocks: Number of layers.
        modes: Highest wavenumber along an axis that has a matrix of its own; as many as the grid
            has where that is fewer.
        activation: ``s``.
        embedding: Width of the embedding of time and context.
        frequencies: Number of frequencies that time is told by.
        condition_shape: Shape of an image that the first numbers of the context are, which is
            brought to full size and laid beside the channels; empty where the context is no image.
        context_dim: Width of the context; 0 for none.

    Raises:
        ValueError: The field is not square, or the context is too short.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        width: PositiveInt = 16,
        blocks: PositiveInt = 2,
        modes: PositiveInt = 8,
        activation: SpectralActivation = "product",
        embedding: PositiveInt = 64,
        frequencies: PositiveInt = 8,
        condition_shape: Sequence[PositiveInt] = (),
        context_dim: NonNegativeInt = 0,
    ) -> None:
        super().__init__(
            event_shape,
            embedding=embedding,
            frequencies=frequencies,
            condition_shape=condition_shape,
            context_dim=context_dim,
        )
        depth, height, side = self.shape
        if height != side:
            raise ValueError(
                f"event_shape: a SpectralNet works on square fields, not on {list(event_shape)}; "
                "for others take `ResidualConvNet`"
            )
        highest = highest_mode(side)
        self.waves = Waves(side, modes=highest, unit=side)
        fine = Waves(3 * highest + 1, modes=highest, unit=side)
        self.first = nn.Linear(self.channels_in, width, bias=False)
        self.blocks = nn.ModuleList(
            SpectralBlock(width, min(modes, highest), activation, embedding, fine)
            for _ in range(blocks)
        )
        self.last = SpectralFilter(width, depth, modes=min(modes, highest))
        self.sizes = (width, depth)
        self.gain = nn.Linear(embedding, width + depth)
        for start in (*self.last.parameters(), *self.gain.parameters()):
            nn.init.zeros_(start)

    def forward(
        self,
        x: Float[Tensor, "n *event"],
        t: Float[Tensor, ""] | Float[Tensor, " n"],
        context: Float[Tensor, "n c"] | None = None,
    ) -> Float[Tensor, "n *event"]:
        image, u = self.taken_in(x, t, context)
        size = image.square().mean((1, 2, 3), keepdim=True)
        h = self.waves.coefficients(image * (1 + size / REACH**2).rsqrt())
        h = by_channel(self.first, h)
        for block in self.blocks:
            h = block(h, u)
        scale, gain = self.gain(u).split(self.sizes, 1)
        h = (h.unflatten(3, (4, -1)) * (1 + scale[:, None])).flatten(3)
        own = image[:, : self.shape[0]] * gain[..., None, None]
        return (self.waves.fields(self.last(h)) + own).view_as(x)


class SpectralBlock(nn.Module):
    """``h + V s(scale K h + shift)`` on waves, with s on a finer grid."""

    def __init__(
        self,
        channels: int,
        modes: int,
        activation: SpectralActivation,
        embedding: int,
        fine: Waves,
    ) -> None:
        super().__init__()
        self.activate: Callable[[Tensor], Tensor] = (
            halves_multiplied if activation == "product" else SMOOTH[activation]
        )
        inner = 2 * channels if activation == "product" else channels
        self.filter = SpectralFilter(channels, inner, modes=modes)
        self.modulation = nn.Linear(embedding, 2 * inner)
        self.fine = fine
        self.mix = nn.Linear(channels, channels, bias=False)

    def forward(
        self, h: Float[Tensor, "kx ky n p"], u: Float[Tensor, "n e"]
    ) -> Float[Tensor, "kx ky n p"]:
        scale, shift = self.modulation(u)[..., None, None].chunk(2, 1)
        y = torch.addcmul(shift, self.fine.fields(self.filter(h)), 1 + scale)
        return h + by_channel(self.mix, self.fine.coefficients(self.activate(y)))


def by_channel(layer: nn.Linear, h: Float[Tensor, "kx ky n p"]) -> Float[Tensor, "kx ky n q"]:
    """A linear map of the channels, the same for all waves."""
    y: Tensor = layer(h.unflatten(3, (4, -1)))
    return y.flatten(3)


def halves_multiplied(y: Float[Tensor, "n _ x y"]) -> Float[Tensor, "n _ x y"]:
    """One half of the channels times the other."""
    a, b = y.chunk(2, 1)
    return a * b
