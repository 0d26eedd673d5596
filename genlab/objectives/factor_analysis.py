"""EM for mixtures of factor analysers: the E-step's sums and the M-step they lead to."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.mixtures import LowRankMixtures, distances, posterior, wide

__all__ = ["FactorSums", "factor_maximisation"]


class FactorSums:
    """Sums over rows of ``r``, ``r d``, ``r d^2`` and ``r d y^T``, where ``d = x - mu``.

    ``y = E[y | x, k]`` is linear in d, so that these are all that the M-step needs. Pieces are
    worked on in the type of the rows; their sums are added in float64, where the device has it.

    Args:
        mixtures: The parameters.
        like: A tensor of the type and on the device of the rows.
    """

    @torch.no_grad()
    def __init__(self, mixtures: LowRankMixtures, like: Tensor) -> None:
        project, log_det = posterior(mixtures)
        self.shape = mixtures.factors.shape
        constant = mixtures.log_weights - 0.5 * (log_det + self.shape[2] * math.log(2 * math.pi))
        self.constant = constant.to(like)[..., None]
        self.means, *self.parts = (part.flatten(0, 1).to(like) for part in (*mixtures[1:], project))
        exact = like.new_zeros(()) if like.device.type == "mps" else like.new_zeros(()).double()
        groups, components, dim, rank = self.shape
        self.of_rows = exact.new_zeros(3, groups)
        self.counts = exact.new_zeros(groups, components)
        self.first = exact.new_zeros(groups * components, dim)
        self.second = exact.new_zeros(groups * components, dim, 1 + rank)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights.

        Args:
            x: Rows.
            weight: Non-negative weights of the rows, for all mixtures or for each.
        """
        delta = x - self.means[:, None]
        square, y = distances(delta, *self.parts)
        joint = self.constant - 0.5 * square.view(*self.counts.shape, -1)
        log_p = joint.logsumexp(1)
        r = (joint - log_p[:, None]).exp() * weight[:, None]
        weight = weight.expand(len(r), -1)
        likelihood = torch.linalg.vecdot(weight, log_p)
        self.of_rows += torch.stack(
            (likelihood, weight.sum(1), torch.linalg.vecdot(weight, weight))
        )
        self.counts += r.sum(2)
        each = r.view(len(delta), -1, 1)
        self.first += (each.mT @ delta)[:, 0]
        self.second[..., 1:] += delta.mT @ (each * y)
        self.second[..., :1] += (each.mT @ delta.square_()).mT
        return r

    def sums(self) -> tuple[Tensor, ...]:
        """Of the log-likelihood, the mass and its squares, ``r``, ``r d``, ``r (d^2, d y^T)``."""
        of_rows, counts, first, second = map(
            wide, (self.of_rows, self.counts, self.first, self.second)
        )
        shape = self.shape[:2]
        return *of_rows, counts, first.unflatten(0, shape), second.unflatten(0, shape)


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
