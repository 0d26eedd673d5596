"""The velocity of scalar fields that are carried by a flow of their own making."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.bounds import PositiveInt
from genlab.nn.constants import Constants
from genlab.nn.context import Context
from genlab.nn.image_velocity import ImageVelocity, ImageVelocityOptions
from genlab.nn.velocity import Time
from genlab.nn.waves import highest_mode, inverse_laplacian, waves

__all__ = ["ActiveScalar", "Bracket"]


class ActiveScalar(ImageVelocity):
    """``v = a x - 1/h (u . grad) (h x)``, ``u = (psi_y, -psi_x)``, ``-Lap psi = g x``.

    ``h x`` is carried by the flow whose vorticity is ``g x``; a, g and h are real filters, a number
    for each set ``{|kx|, |ky|}`` of wavenumbers, of which time and context say how large it is.
    Euler's equations, surface quasi-geostrophic ones, and all between them are of this form
    (Constantin, Majda, Tabak, "Formation of strong fronts in the 2-D quasigeostrophic thermal
    active scalar", 1994). Weights are few, and what they say holds for every field:

    - The divergence is ``sum_k a_k``: a product of two waves is none of the two, so that what
      carries has no trace (Lee, 1952), and the density is exact at no cost. Products are formed on
      a grid that leaves no aliasing.
    - What carries leaves ``|h x|`` as it is: fields stay bounded, whatever the weights.
    - The law keeps the symmetries of the square, if the base has them: translations by any length,
      rotations, and reflections with a change of sign. Those of a field that is no such scalar, of
      a temperature beside its mirror image or of what a force along one axis drives, it has not.

    Several channels are carried by one flow, which all of them make, and an image that is given.
    Waves beyond the highest whole wavenumber below the Nyquist frequency of an even side stay as
    they are.

    References: doi:10.1088/0951-7715/7/6/001; Lee, Quarterly of Applied Mathematics 10, 69-74,
    1952.

    >>> import genlab, torch
    >>> velocity = genlab.nn.ActiveScalar((1, 9, 9))
    >>> v, divergence = velocity.with_divergence(torch.randn(5, 1, 9, 9), torch.tensor(0.5))
    >>> v.shape, divergence.shape
    (torch.Size([5, 1, 9, 9]), torch.Size([5]))

    Args:
        event_shape: Channels, height and width of a square field, or height and width of one
            without channels.
        embedding: Width of the embedding of time and context.
        **options: Those of `ImageVelocity`.

    Raises:
        ValueError: The field is not square, or the context is too short.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        embedding: PositiveInt = 16,
        **options: Unpack[ImageVelocityOptions],
    ) -> None:
        super().__init__(event_shape, embedding=embedding, **options)
        channels = self.shape[0]
        self.bracket = Bracket(self.square_side("an ActiveScalar", event_shape))
        # a from each channel to each that is carried, g of each, log h of each that is carried.
        self.parts = (channels * self.channels_in, self.channels_in, channels)
        self.filters = nn.Parameter(torch.zeros(sum(self.parts), self.bracket.orbits))
        self.modulation = nn.Linear(embedding, self.filters.numel(), bias=False)
        nn.init.zeros_(self.modulation.weight)

    @property
    def knows_divergence(self) -> bool:
        return True

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        image, filters = self._seen(x, t, context)
        return self._velocity(image, filters).view_as(x)

    def with_divergence(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        image, filters = self._seen(x, t, context)
        own = filters.a[:, :, : self.shape[0]].diagonal(dim1=1, dim2=2).sum(-1)
        divergence = own @ self.bracket.sizes
        return self._velocity(image, filters).view_as(x), divergence.expand(len(x))

    def _seen(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context
    ) -> tuple[Float[Tensor, "n i h w"], Filters]:
        image, u = self.taken_in(x, t, context)
        if context is None and t.ndim == 0:
            u = u[:1]  # what is said of one is said of all
        values = self.filters + self.modulation(u).unflatten(1, self.filters.shape)
        a, g, log_h = values.split(self.parts, 1)
        return image, Filters(a.unflatten(1, (self.shape[0], -1)), g, log_h)

    def _velocity(
        self, image: Float[Tensor, "n i h w"], filters: Filters
    ) -> Float[Tensor, "n p h w"]:
        spread = self.bracket.spread
        x = self.bracket.coefficients(image)
        gain = spread(filters.log_h).exp()
        psi = (spread(filters.g) * self.bracket.inverse_laplacian * x).sum(1, keepdim=True)
        carried = self.bracket(psi, gain * x[:, : self.shape[0]])
        linear = (spread(filters.a) * x[:, None]).sum(2)
        return self.bracket.fields(linear + carried / gain)


class Filters(NamedTuple):
    """A number for each set of wavenumbers, of some rows or the same for all (``m = 1``).

    Attributes:
        a: What each channel adds to each that is carried.
        g: What each channel adds to the flow's vorticity.
        log_h: Logarithm of what is carried, of each that is.
    """

    a: Float[Tensor, "m p i orbits"]
    g: Float[Tensor, "m i orbits"]
    log_h: Float[Tensor, "m p orbits"]


class Bracket(Constants):
    """``{psi, y} = psi_x y_y - psi_y y_x`` of periodic fields, as coefficients of their real waves.

    Coefficients come as ``[n, c, 2 m + 2, 2 m + 2]``: along each axis the cosines of the
    wavenumbers up to the highest, m, then their sines. Products are formed on ``3 m + 1`` points a
    side, from which no wave comes back under the name of another. So it is exact: ``<y, {psi, y}>``
    and ``<psi, {psi, y}>`` are 0, and its Jacobian in y, or in both where psi is a filter of y, has
    no trace.

    References: Lee, "On some statistical properties of hydrodynamical and magneto-hydrodynamical
    fields", Quarterly of Applied Mathematics 10, 69-74, 1952.

    >>> import torch
    >>> from genlab.nn.active_scalar import Bracket
    >>> bracket = Bracket(9)
    >>> psi, y = bracket.coefficients(torch.randn(2, 5, 1, 9, 9).flatten(1, 2)).split(1, 1)[:2]
    >>> bool((y * bracket(psi, y)).sum().abs() < 1e-3)
    True

    Args:
        side: Points a side.

    Attributes:
        orbits: How many sets ``{|kx|, |ky|}`` of wavenumbers there are.
        sizes: Number of waves of each.
    """

    basis: Float[Tensor, "side waves"]
    both: Float[Tensor, "waves _"]
    fine: Float[Tensor, "points waves"]
    slope: Float[Tensor, "points waves"]
    inverse_laplacian: Float[Tensor, "waves waves"]
    orbit: Int[Tensor, "waves waves"]
    sizes: Float[Tensor, " orbits"]

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.highest = highest_mode(side)
        self.points = 3 * self.highest + 1
        self.orbits = (self.highest + 1) * (self.highest + 2) // 2
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        k = torch.arange(self.highest + 1)
        k = torch.cat((k, k))
        small, large = torch.minimum(k[:, None], k), torch.maximum(k[:, None], k)
        orbit = large * (large + 1) // 2 + small
        there = torch.ones(len(k)).double()
        there[self.highest + 1] = 0  # the sine of wavenumber 0
        sizes = torch.zeros(self.orbits).double()
        sizes.index_add_(0, orbit.flatten(), (there[:, None] * there).flatten())
        fine = waves(self.points, self.highest) / math.sqrt(self.side)
        cosines, sines = fine.chunk(2, 1)
        slope = torch.cat((-sines, cosines), 1) * k
        return {
            "basis": waves(self.side, self.highest) / math.sqrt(self.side),
            "fine": fine,
            "slope": slope,
            "both": torch.cat((fine, slope)).T,
            "inverse_laplacian": inverse_laplacian(self.highest),
            "orbit": orbit,
            "sizes": sizes,
        }

    def coefficients(self, field: Float[Tensor, "n c h h"]) -> Float[Tensor, "n c waves waves"]:
        """Those of some fields."""
        return self.basis.mT @ (field @ self.basis)

    def fields(self, coefficients: Float[Tensor, "n c waves waves"]) -> Float[Tensor, "n c h h"]:
        """The fields of some coefficients."""
        return self.basis @ (coefficients @ self.basis.mT)

    def spread(self, values: Float[Tensor, "*n orbits"]) -> Float[Tensor, "*n waves waves"]:
        """A filter, from its number for each set of wavenumbers."""
        return values[..., self.orbit]

    def forward(
        self, psi: Float[Tensor, "n 1 waves waves"], y: Float[Tensor, "n c waves waves"]
    ) -> Float[Tensor, "n c waves waves"]:
        values, slopes = (torch.cat((psi, y), 1) @ self.both).chunk(2, -1)
        along_x, along_y = self.slope @ values, self.fine @ slopes
        product = along_x[:, :1] * along_y[:, 1:] - along_y[:, :1] * along_x[:, 1:]
        share = self.side / self.points
        return self.fine.mT @ (product @ self.fine) * share**2
