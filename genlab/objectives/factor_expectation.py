"""The E-step and the M-step of Gaussian mixtures whose covariances are of low rank."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.mixtures import LowRankMixtures, distances, posterior
from genlab.objectives.expectation import BITS, EStep, Statistics

__all__ = ["FactorExpectation", "factor_maximisation"]


class FactorExpectation(EStep):
    """`Expectation` with the sums of ``d`` and of ``(d^2, d y^T)``, where ``d = x - mu``.

    ``y = E[y | x, k]`` is linear in d, so that these are all that the M-step needs. Nothing is
    whitened: ``first`` is ``sum_i r d``, and ``second`` has a column of squares before those of y.

    References: doi:10.1162/089976699300016728.

    >>> import genlab
    >>> mixtures = genlab.models.GMM(3, components=2, covariance="low_rank", rank=1).mixture()
    >>> sums, x = FactorExpectation(mixtures, torch.rand(5, 3)), torch.rand(5, 3)
    >>> sums.add(x, torch.ones(1, 5)).sum(1).round(decimals=4)  # one Gaussian or the other
    tensor([[1., 1., 1., 1., 1.]])
    """

    @torch.no_grad()
    def __init__(self, mixtures: LowRankMixtures, like: Tensor) -> None:
        super().__init__(len(mixtures.means), like)
        project, log_det = posterior(mixtures)
        groups, components, dim, rank = mixtures.factors.shape
        self.numbers = mixtures.means.numel()
        constant = mixtures.log_weights - 0.5 * (log_det + dim * math.log(2 * math.pi))
        # In bits: exp2 takes half the time of exp.
        self.constant = (constant * BITS).to(like)[..., None]
        self.means, *self.parts = (part.flatten(0, 1).to(like) for part in (*mixtures[1:], project))
        self.counts = self.of_rows.new_zeros(groups, components)
        self.first = self.of_rows.new_zeros(groups, components, dim)
        self.second = self.of_rows.new_zeros(groups, components, dim, 1 + rank)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        delta = x - self.means[:, None]
        square, y = distances(delta, *self.parts)
        joint = self.constant - 0.5 * BITS * square.view(*self.counts.shape, -1)
        r = self._shares(joint, weight)
        self.counts += r.sum(2)
        each = r.view(len(delta), -1, 1)
        self.first += (each.mT @ delta).view_as(self.first)
        second = self.second.flatten(0, 1)
        second[..., 1:] += delta.mT @ (each * y)
        second[..., :1] += (each.mT @ delta.square_()).mT
        return r

    def statistics(self) -> Statistics:
        return self._statistics(self.counts, self.first, self.second)


@torch.no_grad()
def factor_maximisation(
    mixtures: LowRankMixtures,
    log_weights: Float[Tensor, "g k"],
    counts: Float[Tensor, "g k"],
    first: Float[Tensor, "g k d"],
    second: Float[Tensor, "g k d _"],
    *,
    floor: float,
) -> LowRankMixtures:
    """The M-step, of means and factors together: a regression of d on ``(y, 1)``.

    ``[F, mu' - mu] = E[d (y, 1)^T] E[(y, 1) (y, 1)^T]^{-1}``, and ``s^2`` is what is left of
    ``E[d^2]``, raised to the floor (Ghahramani, Hinton, "The EM algorithm for mixtures of factor
    analyzers", 1996, equations 15 to 17). F does not depend on s, and the expected log-likelihood
    has one maximum in each ``s_i^2``: with the floor too, the likelihood never falls.

    Args:
        mixtures: The parameters that the sums were taken under.
        log_weights: The new ones.
        counts: Sums of ``r``.
        first: Of ``r d``.
        second: Of ``r d^2``, and of ``r d y^T`` in the columns behind it.
        floor: The smallest variance.
    """
    present = (counts > 0)[..., None]
    per_row = counts.where(counts > 0, 1.0).reciprocal()[..., None]
    mean, square, cross = first * per_row, second[..., 0] * per_row, second[..., 1:]
    cross = cross * per_row[..., None]
    project, _ = posterior(mixtures)
    rank = cross.shape[-1]
    # E[y y^T] = M^-1 + B E[d d^T] B^T, where M^-1 = I - B F.
    of_y = torch.eye(rank).to(cross) - project @ mixtures.factors + project @ cross
    mean_y = project @ mean[..., None]
    ones = torch.ones_like(mean_y[..., :1, :])
    gram = torch.cat((torch.cat((of_y, mean_y), -1), torch.cat((mean_y.mT, ones), -1)), -2)
    moments = torch.cat((cross, mean[..., None]), -1)
    fitted = torch.linalg.solve((gram + gram.mT) / 2, moments.mT).mT
    variance = (square - (fitted * moments).sum(-1)).clamp(min=floor)
    return LowRankMixtures(
        log_weights,
        torch.where(present, mixtures.means + fitted[..., -1], mixtures.means),
        torch.where(present, variance.sqrt(), mixtures.deviations),
        torch.where(present[..., None], fitted[..., :-1], mixtures.factors),
    )
