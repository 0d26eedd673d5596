"""The E-step of mixtures of wrapped Gaussians, whose turns are latent as their components are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.densities.mixtures import Mixtures, wide
from genlab.densities.wrapped_mixtures import copies
from genlab.densities.wrapped_normal import WINDINGS
from genlab.nn.angles import wrap_columns
from genlab.objectives.expectation import BITS, Statistics, accumulator, shares
from genlab.objectives.expectation_by_products import expectation_of

__all__ = ["DiagonalWrappedExpectation", "WrappedExpectation"]

# Angles whose sums over turns are multiplied before a logarithm is taken.
FACTORS = 32


class WrappedExpectation:
    """The E-step with matrices for covariances: that of each Gaussian's copies, added up.

    A row belongs to a component and a number of turns of each angle, all of them latent. To the
    M-step a copy is the component itself, seen from rows that are whole turns away: its deviations
    ``x + 2 pi n - mu`` are those that the copy, of mean ``mu - 2 pi n``, has of x
    (Agiomyrgiannakis, Stylianou, "Wrapped Gaussian mixture models for modeling and high-rate
    quantization of phase data of speech", 2009).

    References: IEEE Transactions on Audio, Speech, and Language Processing 17, 775 (2009).

    >>> one = Mixtures(torch.zeros(1, 1), torch.full((1, 1, 1), 3.0), torch.ones(1, 1, 1, 1))
    >>> step = WrappedExpectation(one, torch.zeros(1, 1), [0])
    >>> step.add(torch.tensor([[-3.0], [3.0]]), torch.ones(1, 2))  # near from either side
    tensor([[[1., 1.]]])

    Args:
        mixtures: The parameters.
        like: All rows, or some that are as far out.
        angles: Coordinates that are angles.

    Attributes:
        numbers: Numbers that a row makes at once.
    """

    def __init__(self, mixtures: Mixtures, like: Tensor, angles: Sequence[int]) -> None:
        self.angles, self.components = angles, mixtures.log_weights.shape[1]
        groups = zip(*(part.split(1) for part in mixtures), strict=True)
        turned = [copies(Mixtures(*parts), angles) for parts in groups]
        rows = wrap_columns(like, angles)
        self.parts = [(expectation_of(one, rows), parent) for one, parent in turned]
        self.numbers = max(part.numbers for part, _ in self.parts)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights."""
        x = wrap_columns(x, self.angles)
        weights = weight.expand(len(self.parts), -1).split(1)
        return torch.cat(
            [
                self._whole(part.add(x, own), parent)
                for (part, parent), own in zip(self.parts, weights, strict=True)
            ]
        )

    def statistics(self) -> Statistics:
        """Those of all rows so far."""
        found = []
        for part, parent in self.parts:
            *of_rows, counts, first, second = part.statistics()
            of_copies = (self._whole(sums, parent) for sums in (counts, first, second))
            found.append(Statistics(*of_rows, *of_copies))
        return Statistics(*map(torch.cat, zip(*found, strict=True)))

    def _whole(self, of_copies: Tensor, parent: Int[Tensor, " m"]) -> Tensor:
        """Sums over the copies of each component."""
        zero = of_copies.new_zeros(1, self.components, *of_copies.shape[2:])
        return zero.index_add(1, parent, of_copies)


class DiagonalWrappedExpectation:
    """The E-step with diagonal covariances, any number of angles: turns are independent in each.

    Given the component, turn n of angle i has the share ``q_n ~ N(a + 2 pi n; 0, s^2)``: sums of
    ``r E_q[z]`` and ``r E_q[z^2]`` are all that the M-step needs. With ``Q = exp(-2 pi^2 / s^2)``,
    the turn n towards the mean's other side has ``e^n Q^(n (n - 1))`` times the density of the
    nearest, ``e = exp(-2 pi (pi - |a|) / s^2)``, and n away from it ``f^n Q^(n (n - 1))`` times,
    ``f = Q^2 / e``: one exponential makes all of them.

    References: IEEE Transactions on Audio, Speech, and Language Processing 17, 775 (2009).

    >>> one = Mixtures(torch.zeros(1, 1), torch.full((1, 1, 1), 3.0), torch.ones(1, 1, 1))
    >>> step = DiagonalWrappedExpectation(one, torch.zeros(1, 1), [0])
    >>> step.add(torch.tensor([[-3.0], [3.0]]), torch.ones(1, 2))  # near from either side
    tensor([[[1., 1.]]])

    Args:
        mixtures: The parameters.
        like: A tensor of the type and on the device of the rows.
        angles: Coordinates that are angles.

    Attributes:
        numbers: Numbers that a row makes.
    """

    @torch.no_grad()
    def __init__(self, mixtures: Mixtures, like: Tensor, angles: Sequence[int]) -> None:
        log_weights, means, roots = map(wide, mixtures)
        dim = means.shape[-1]
        constant = log_weights + roots.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
        self.constant = (constant * BITS)[..., None].to(like)
        # Coordinates first, rows last.
        self.means, self.roots = (
            part.movedim(-1, 0)[..., None].to(like) for part in (means, roots)
        )
        self.angles = set(angles)
        log_q = -2 * (math.pi * self.roots).square()
        self.q_square = (2 * log_q).exp()
        widest = log_q.flatten(1).amax(1).tolist()
        self.reaches = [_reach(one, like.dtype) for one in widest]
        self.numbers = 2 * means.numel()
        exact = accumulator(like)
        self.of_rows = exact.new_zeros(3, len(means))
        self.counts = exact.new_zeros(constant.shape)
        self.moments = exact.new_zeros(2, *means.shape)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights."""
        shape = (len(self.means), *self.counts.shape, len(x))
        moments = x.new_empty(2, *shape)
        joint = self.constant.expand(shape[1:]).clone()
        sums = torch.ones_like(joint)
        for i, column in enumerate(x.unbind(1)):
            off, (first, second) = column - self.means[i], moments[:, i]
            if i in self.angles:
                off.sub_((off / (2 * math.pi)).round_(), alpha=2 * math.pi)
            torch.mul(off, self.roots[i], out=first)
            torch.mul(first, first, out=second)
            joint.sub_(second, alpha=0.5 * BITS)
            if i in self.angles:
                sums.mul_(self._wind(i, off, first, second))
            # A sum is below 3: so many of them do not overflow in any type.
            if i % FACTORS == FACTORS - 1:
                joint.add_(sums.log2())
                sums.fill_(1)
        r, of_rows = shares(joint.add_(sums.log2_()), weight)
        self.of_rows += of_rows
        self.counts += r.sum(2)
        self.moments += torch.einsum("mdgkn,gkn->mgkd", moments, r)
        return r

    def _wind(
        self,
        i: int,
        off: Float[Tensor, "g k n"],
        first: Float[Tensor, "g k n"],
        second: Float[Tensor, "g k n"],
    ) -> Float[Tensor, "g k n"]:
        """Take z and z^2 to their means over all turns; returns the turns' density in the nearest.

        Args:
            i: The angle.
            off: ``a``, from the mean, in the nearest turn.
            first: ``z = a / s``.
            second: ``z^2``.
        """
        steep, q_square = 2 * math.pi * self.roots[i].square(), self.q_square[i]
        toward = off.abs().sub_(math.pi).mul_(steep).exp_()
        away = q_square / toward.clamp(min=torch.finfo(off.dtype).tiny)
        near, far = toward, away
        whole = near + far
        # sum q n, towards the other side, and sum q n^2.
        turns, squares = near - far, whole.clone()
        factor = q_square
        for n in range(2, self.reaches[i] + 1):
            near, far = near * toward * factor, far * away * factor
            both = near + far
            whole += both
            turns.add_(near - far, alpha=n)
            squares.add_(both, alpha=n * n)
            factor = factor * q_square
        whole += 1
        # The other side is where the sign of a turns.
        turns.copysign_(off).div_(whole).neg_()
        width = 2 * math.pi * self.roots[i]
        shift = turns.mul_(width)
        second.addcmul_(first, shift, value=2).add_(squares.div_(whole).mul_(width.square()))
        first.add_(shift)
        return whole

    def statistics(self) -> Statistics:
        """Those of all rows so far."""
        likelihood, mass, square = wide(self.of_rows)
        first, second = wide(self.moments)
        return Statistics(likelihood, mass, square, wide(self.counts), first, second)


def _reach(log_q: float, dtype: torch.dtype) -> int:
    """Turns to each side whose density is not lost beside the nearest two: ``Q^(n (n - 1))``."""
    smallest = math.log(torch.finfo(dtype).eps / 2)
    return max(n for n in range(1, WINDINGS + 1) if n == 1 or n * (n - 1) * log_q > smallest)
