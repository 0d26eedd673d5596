"""Symmetries of a law of vorticity fields: what makes one simulated field many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.fields.grid import wavenumbers

__all__ = ["KOLMOGOROV", "SQUARE", "Motion", "Symmetries"]


class Motion(NamedTuple):
    """A map of the square onto itself: first the axes change places, then each is turned round.

    One that reverses orientation changes the sign of a vorticity.

    Attributes:
        transposed: Whether x and y change places.
        turned: Whether x, and whether y, becomes its negative.
        shift: What y is shifted by afterwards, as a share of the period of shifts along y.
    """

    transposed: bool = False
    turned: tuple[bool, bool] = (False, False)
    shift: float = 0.0

    @property
    def sign(self) -> int:
        """1 for a rotation, -1 for a reflection."""
        return -1 if (self.transposed + sum(self.turned)) % 2 else 1


SQUARE = tuple(
    Motion(transposed, (x, y))
    for transposed in (False, True)
    for x in (False, True)
    for y in (False, True)
)
"""The four rotations and four reflections, of a flow that nothing but chance sets in motion."""
KOLMOGOROV = (
    Motion(),
    Motion(turned=(True, True)),
    Motion(turned=(True, False), shift=0.5),
    Motion(turned=(False, True), shift=0.5),
)
"""Those that leave a force ``sin(k_f y)`` along x as it is, with half its period for a shift."""


class Symmetries:
    """Motions of the periodic square under which a law of vorticity fields does not change.

    Shifts along x are by any length, those along y by any length too, or by multiples of a period.
    They turn the phases of Fourier modes, and so are exact between the points of the grid as well,
    where a field has no modes beyond ``(n - 1)/2``. All are orthogonal maps of the ``n^2`` values,
    so that a density does not change either.

    References: Chandler, Kerswell, "Invariant recurrent solutions embedded in a turbulent
    two-dimensional Kolmogorov flow", 2013, arXiv:1207.4682.

    >>> import torch
    >>> w = torch.randn(2, 1, 5, 5)
    >>> moved = Symmetries(SQUARE).moved(w, torch.rand(2, 3))
    >>> torch.allclose(moved.square().sum((1, 2, 3)), w.square().sum((1, 2, 3)))
    True

    Args:
        motions: One for each coset of the shifts.
        periods: How often the smallest shift along y fits into a side; None for shifts by any
            length.
    """

    def __init__(self, motions: Sequence[Motion], *, periods: int | None = None) -> None:
        self.motions = tuple(motions)
        self.periods = periods

    def moved(
        self, w: Float[Tensor, "b c n n"], chance: Float[Tensor, "b 3"]
    ) -> Float[Tensor, "b c n n"]:
        """Each field moved by a motion of its own, one as likely as any other.

        Args:
            w: Vorticity fields.
            chance: Uniform numbers in [0, 1), which say which.
        """
        chance = chance.double()  # a period that is rounded is none of the law's
        which = (chance[:, 0] * len(self.motions)).long()
        moved = torch.empty_like(w)
        for number, motion in enumerate(self.motions):
            rows = (which == number).nonzero()[:, 0]
            moved[rows] = _turned(w[rows], motion)
        along_y = chance[:, 2]
        if self.periods is not None:
            own = chance.new_tensor([motion.shift for motion in self.motions])[which]
            along_y = ((along_y * self.periods).floor() + own) / self.periods
        return _shifted(moved, 2 * math.pi * torch.stack((chance[:, 1], along_y), 1))


def _turned(w: Float[Tensor, "b c n n"], motion: Motion) -> Float[Tensor, "b c n n"]:
    w = w.mT if motion.transposed else w
    for axis, turned in zip((-2, -1), motion.turned, strict=True):
        # Point 0 stays where it is.
        w = w.flip(axis).roll(1, axis) if turned else w
    return motion.sign * w


def _shifted(w: Float[Tensor, "b c n n"], by: Float[Tensor, "b 2"]) -> Float[Tensor, "b c n n"]:
    n = w.shape[-1]
    kx, ky = wavenumbers(n)
    half = n // 2 + 1
    angle = by[:, :, None, None]
    phase = torch.exp(-1j * (angle[:, :1] * kx + angle[:, 1:] * ky[:, :half]))
    modes = torch.fft.rfft2(w)
    moved: Tensor = torch.fft.irfft2(modes * phase.to(modes), s=(n, n))
    return moved
