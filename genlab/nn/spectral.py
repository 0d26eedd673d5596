"""The Fourier-layer network that is a velocity of periodic fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genlab.bounds import PositiveInt
from genlab.nn.context import Context
from genlab.nn.image_velocity import ImageVelocity, ImageVelocityOptions
from genlab.nn.smooth import SMOOTH, SmoothActivation, value_and_slope
from genlab.nn.velocity import CHUNK, Directions, Tangents, Time
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
        **options: Those of `ImageVelocity`.

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
        **options: Unpack[ImageVelocityOptions],
    ) -> None:
        super().__init__(event_shape, embedding=embedding, **options)
        depth, side = self.shape[0], self.square_side("a SpectralNet", event_shape)
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
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        v, _ = self._with_tangents(x, t, context, x.new_empty(0, 1, *x.shape[1:]))
        return v

    def with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        parts = [self._with_tangents(x, t, context, part) for part in directions.split(CHUNK)]
        return parts[0][0], torch.cat([derivatives for _, derivatives in parts])

    def _with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        """All but a few maps are linear, and take the velocity and its derivatives together."""
        image, u = self.taken_in(x, t, context)
        along = directions.expand(-1, len(x), *x.shape[1:])
        along = along.reshape(len(directions), len(x), *self.shape)
        # The image that is given does not move.
        along = F.pad(along, (0, 0, 0, 0, 0, self.channels_in - self.shape[0]))
        rows = torch.cat((image[None], along))
        shrink = (1 + image.square().mean((1, 2, 3), keepdim=True) / REACH**2).rsqrt()
        slope = (image * along).mean((2, 3, 4), keepdim=True) * (shrink / REACH).square()
        held = torch.cat(((image * shrink)[None], (along - slope * image) * shrink))
        h = by_channel(self.first, self.waves.coefficients(held.flatten(0, 1)))
        for block in self.blocks:
            h = block(h, u, len(rows))
        scale, gain = self.gain(u).split(self.sizes, 1)
        h = (h.unflatten(3, (4, -1)) * (1 + scale[:, None]).repeat(len(rows), 1, 1)).flatten(3)
        v = self.waves.fields(self.last(h)).unflatten(0, (len(rows), -1))
        v = (v + rows[:, :, : self.shape[0]] * gain[..., None, None]).view(len(rows), *x.shape)
        return v[0], v[1:]


class SpectralBlock(nn.Module):
    """``h + V s(scale K h + shift)`` on waves, with s on a finer grid, and derivatives beside."""

    def __init__(
        self, width: int, modes: int, activation: SpectralActivation, embedding: int, fine: Waves
    ) -> None:
        super().__init__()
        self.activation = activation
        inner = 2 * width if activation == "product" else width
        self.filter = SpectralFilter(width, inner, modes=modes)
        self.modulation = nn.Linear(embedding, 2 * inner)
        self.fine = fine
        self.mix = nn.Linear(width, width, bias=False)

    def forward(
        self, h: Float[Tensor, "kx ky rows p"], u: Float[Tensor, "n e"], parts: int
    ) -> Float[Tensor, "kx ky rows p"]:
        """
        Args:
            h: The coefficients of n rows, then of their derivatives along each direction.
            u: What time and context say of each row.
            parts: One more than there are directions.
        """
        scale, shift = self.modulation(u)[..., None, None].chunk(2, 1)
        y = self.fine.fields(self.filter(h)).unflatten(0, (parts, -1)) * (1 + scale)
        y, along = y[0] + shift, y[1:]
        if self.activation == "product":
            (a, b), (a_dot, b_dot) = y.chunk(2, 1), along.chunk(2, 2)
            y, along = a * b, a_dot * b + a * b_dot
        elif parts == 1:
            y = SMOOTH[self.activation](y)
        else:
            y, slope = value_and_slope(self.activation, y)
            along = along * slope
        inner = self.fine.coefficients(torch.cat((y[None], along)).flatten(0, 1))
        return h + by_channel(self.mix, inner)


def by_channel(layer: nn.Linear, h: Float[Tensor, "kx ky n p"]) -> Float[Tensor, "kx ky n q"]:
    """A linear map of the channels, the same for all waves."""
    y: Tensor = layer(h.unflatten(3, (4, -1)))
    return y.flatten(3)
