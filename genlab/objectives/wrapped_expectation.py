"""The E-step of mixtures of wrapped Gaussians, whose turns are latent as their components are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.mixtures import Mixtures, inverse, wide
from genlab.densities.turns import turns
from genlab.densities.wrapped_normal import WINDINGS
from genlab.objectives.expectation import BITS, EStep, Statistics
from genlab.objectives.expectation_by_products import working_type

__all__ = ["DiagonalWrappedExpectation", "WrappedExpectation"]

# Angles whose sums over turns are multiplied before a logarithm is taken.
FACTORS = 32


class WrappedExpectation(EStep):
    """The E-step with matrices for covariances, over the turns about each mean that matter.

    A row belongs to a component and a number of turns of each angle, all of them latent. Where
    ``z = W (x - mu)`` in the turn about the mean, the turn n has ``s_n = 2 pi W n`` more, and its
    share is ``q_n ~ exp(-z s_n - |s_n|^2 / 2)``. The sums of the M-step are those of z, and what
    ``r q_n`` and ``r q_n z`` add to them (Agiomyrgiannakis, Stylianou, "Wrapped Gaussian mixture
    models for modeling and high-rate quantization of phase data of speech", 2009).

    References: IEEE Transactions on Audio, Speech, and Language Processing 17, 775 (2009).

    >>> one = Mixtures(torch.zeros(1, 1), torch.full((1, 1, 1), 3.0), torch.ones(1, 1, 1, 1))
    >>> step = WrappedExpectation(one, torch.zeros(1, 1), [0])
    >>> step.add(torch.tensor([[-3.0], [3.0]]), torch.ones(1, 2))  # near from either side
    tensor([[[1., 1.]]], dtype=torch.float64)

    Args:
        mixtures: The parameters.
        like: As `EStep` takes it.
        angles: Coordinates that are angles.
    """

    @torch.no_grad()
    def __init__(self, mixtures: Mixtures, like: Tensor, angles: Sequence[int]) -> None:
        super().__init__(len(mixtures.means), like)
        mixtures = Mixtures(*map(wide, mixtures))
        log_weights, means, roots = mixtures
        dim = means.shape[-1]
        scale = mixtures.diagonal.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
        every = roots.expand(*means.shape, -1).flatten(0, 1)
        self.factors = inverse(every)
        kind = like.new_zeros((), dtype=working_type(like))
        # In bits: exp2 takes half the time of exp.
        self.constant = ((log_weights + scale) * BITS)[..., None].to(kind)
        # Rows last: what is done to each row is done to neighbours in memory.
        self.means, self.roots = means.flatten(0, 1)[..., None].to(kind), every.to(kind)
        self.period = kind.new_zeros(dim, 1)
        self.period[list(angles)] = 2 * math.pi
        self.turns = [
            (which.to(kind.device), (away @ every[which].mT).to(kind))
            for which, away in turns(mixtures, angles)
        ]
        self.numbers = 3 * means.numel() + sum(s.shape[0] * s.shape[1] for _, s in self.turns)
        self.counts = self.of_rows.new_zeros(log_weights.shape)
        self.first = self.of_rows.new_zeros(self.means.shape[:2])
        self.second = self.of_rows.new_zeros(every.shape)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        off = x.mT.to(self.means) - self.means
        off.sub_((off / (2 * math.pi)).round_().mul_(self.period))
        z = self.roots @ off
        square = torch.mul(z, z, out=off).sum(1).view(*self.counts.shape, -1)
        joint = torch.add(self.constant, square, alpha=-0.5 * BITS, out=square)
        shares_of_turns = []
        for which, s in self.turns:
            q = torch.baddbmm(-0.5 * s.square().sum(2, keepdim=True), s, z[which], alpha=-1)
            q.mul_(BITS)
            highest = q.amax(1, keepdim=True)
            total = q.sub_(highest).exp2_().sum(1, keepdim=True)
            shares_of_turns.append(q.div_(total))
            joint.flatten(0, 1).index_add_(0, which, (total.log2() + highest)[:, 0])
        r = self._shares(joint, weight.to(joint))
        each = r.flatten(0, 1)
        self.counts += r.sum(2)
        of_z = torch.mul(z, each[:, None], out=off)
        self.first += of_z.sum(2)
        self.second += of_z @ z.mT
        for (which, s), q in zip(self.turns, shares_of_turns, strict=True):
            q.mul_(each[which][:, None])
            mass, cross = q.sum(2, keepdim=True), s.mT @ (q @ z[which].mT)
            self.first.index_add_(0, which, (mass * s).sum(1).to(self.first))
            more = cross + cross.mT + s.mT @ (mass * s)
            self.second.index_add_(0, which, more.to(self.second))
        return r

    def statistics(self) -> Statistics:
        shape = self.counts.shape
        first, second = self.first, wide(self.second) @ self.factors.mT
        return self._statistics(self.counts, first.unflatten(0, shape), second.unflatten(0, shape))


class DiagonalWrappedExpectation(EStep):
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
        like: As `EStep` takes it.
        angles: Coordinates that are angles.
    """

    @torch.no_grad()
    def __init__(self, mixtures: Mixtures, like: Tensor, angles: Sequence[int]) -> None:
        super().__init__(len(mixtures.means), like)
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
        self.counts = self.of_rows.new_zeros(constant.shape)
        self.moments = self.of_rows.new_zeros(2, *means.shape)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
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
        r = self._shares(joint.add_(sums.log2_()), weight)
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
        return self._statistics(self.counts, *self.moments)


def _reach(log_q: float, dtype: torch.dtype) -> int:
    """Turns to each side whose density is not lost beside the nearest two: ``Q^(n (n - 1))``."""
    smallest = math.log(torch.finfo(dtype).eps / 2)
    return max(n for n in range(1, WINDINGS + 1) if n == 1 or n * (n - 1) * log_q > smallest)
